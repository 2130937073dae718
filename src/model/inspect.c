/* model/inspect.c - the public view of an open file: its tensors and metadata, whether
 * or not they make a model. */
#include <stdio.h>
#include <string.h>
#include <wkv/file.h>

#include "arch/arch.h"
#include "base/mem.h"
#include "model/range.h"
#include "store/content.h"

enum { ABOUT = 400 };

struct wkv_file {
    wkv_store *store;
    wkv_content content;
    char about[ABOUT];
};

/* ---- what it is for -------------------------------------------------------------------------- */

static void describe_factors(wkv_file *f, const char *what)
{
    const wkv_content *k = &f->content;
    char rank[64];
    snprintf(rank, sizeof rank, k->rank_min == k->rank_max ? "%lld" : "%lld to %lld",
             (long long)k->rank_min, (long long)k->rank_max);
    snprintf(f->about, ABOUT,
             "%s for %zu matrices of %d layers, rank %s%s; not a model: it changes the one that it "
             "was trained from",
             what, k->matrices, k->layers, rank,
             k->complete ? "" : "; damaged: not every lora_A has its lora_B");
    if (k->whole > 0) {
        const size_t n = strlen(f->about);
        snprintf(f->about + n, ABOUT - n, "; %zu tensors replace the model's", k->whole);
    }
}

static void describe(wkv_file *f)
{
    wkv_content *k = &f->content;
    wkv_store_content(k, f->store);
    switch (k->id) {
    case WKV_CONTENT_MODEL:
        snprintf(f->about, ABOUT, "a model");
        break;
    case WKV_CONTENT_CHECKPOINT:
        snprintf(f->about, ABOUT,
                 "a checkpoint of a training run: a model, the moments of its "
                 "optimiser and the position");
        break;
    case WKV_CONTENT_SESSION:
        snprintf(f->about, ABOUT, "the state of a session, for the model that it was saved with");
        break;
    case WKV_CONTENT_STATE:
        snprintf(f->about, ABOUT,
                 "initial states of %d layers, as state tuning makes them; not a "
                 "model: a session of the one that they were trained from starts "
                 "with them",
                 k->layers);
        break;
    case WKV_CONTENT_LORA:
        describe_factors(f, "low-rank factors (LoRA or PiSSA)");
        break;
    case WKV_CONTENT_PISSA_INIT:
        describe_factors(f,
                         "the factors that a PiSSA run began with, which its result needs beside "
                         "it,");
        break;
    case WKV_CONTENT_BONE:
        snprintf(f->about, ABOUT,
                 "blocks (Bone or DiSHA) for %zu matrices of %d layers; not a "
                 "model: they change the one that they were trained from",
                 k->matrices, k->layers);
        break;
    case WKV_CONTENT_TENSORS:
        snprintf(f->about, ABOUT, "tensors, but nothing that is known");
        break;
    }
}

const char *wkv_file_kind(const wkv_file *f)
{
    return wkv_content_name(f->content.id);
}

const char *wkv_file_about(const wkv_file *f)
{
    return f->about;
}

const char *wkv_file_names(const wkv_file *f)
{
    return wkv_store_scheme(f->store);
}

/* ---- what is in it --------------------------------------------------------------------------- */

wkv_status wkv_file_open(wkv_file **out, const char *path, wkv_error *err)
{
    *out = NULL;
    wkv_file *f = wkv_calloc(1, sizeof *f);
    if (f == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    wkv_status status = wkv_store_open(&f->store, path, err);
    if (status != WKV_OK) {
        wkv_file_close(&f);
        return status;
    }
    describe(f);
    *out = f;
    return WKV_OK;
}

void wkv_file_close(wkv_file **f)
{
    if (*f == NULL)
        return;
    wkv_store_close(&(*f)->store);
    wkv_free(*f);
    *f = NULL;
}

const char *wkv_file_format(const wkv_file *f)
{
    return wkv_store_format(f->store);
}

size_t wkv_file_tensor_count(const wkv_file *f)
{
    return wkv_store_count(f->store);
}

void wkv_file_tensor_at(const wkv_file *f, size_t i, wkv_file_tensor *out)
{
    *out = (wkv_file_tensor){.name = NULL};
    if (i < wkv_store_count(f->store))
        wkv_tensor_show(out, wkv_store_at(f->store, i));
}

/* Tensor i, of real numbers. */
static wkv_status need_reals(const wkv_tensor **t, const wkv_file *f, size_t i, wkv_error *err)
{
    const size_t n = wkv_store_count(f->store);
    if (i >= n)
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: there is no tensor %zu, the file has %zu",
                 wkv_store_path(f->store), i, n);
    *t = wkv_store_at(f->store, i);
    if (!wkv_dtype_is_weight((*t)->dtype))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: tensor '%s' is of type %s, not real numbers",
                 wkv_store_path(f->store), (*t)->name, wkv_dtype_of((*t)->dtype)->name);
    return WKV_OK;
}

wkv_status wkv_file_tensor_read(const wkv_file *f, size_t i, float *out, wkv_error *err)
{
    const wkv_tensor *t;
    WKV_TRY(need_reals(&t, f, i, err));
    wkv_tensor_copy(out, t, WKV_DTYPE_F32);
    return WKV_OK;
}

wkv_status wkv_file_tensor_range(const wkv_file *f, size_t i, wkv_file_range *out, wkv_error *err)
{
    const wkv_tensor *t;
    WKV_TRY(need_reals(&t, f, i, err));
    wkv_tensor_range(out, t);
    return WKV_OK;
}

/* The public numbers are the table's own, so that one becomes the other by a cast. */
_Static_assert((int)WKV_FINDING_MISSING == (int)WKV_AUDIT_MISSING &&
                   (int)WKV_FINDING_UNUSED == (int)WKV_AUDIT_UNUSED &&
                   (int)WKV_FINDING_UNKNOWN == (int)WKV_AUDIT_UNKNOWN,
               "findings have the same numbers inside and outside");

typedef struct listener {
    void (*found)(void *user, wkv_finding what, const char *tensor);
    void *user;
} listener;

static void pass_on(void *user, wkv_audit_finding what, const char *name)
{
    const listener *l = user;
    l->found(l->user, (wkv_finding)what, name);
}

wkv_status wkv_file_audit(const wkv_file *f, const char **arch,
                          void (*found)(void *user, wkv_finding what, const char *tensor),
                          void *user, wkv_error *err)
{
    const wkv_arch *a;
    listener l = {found, user};
    WKV_TRY(wkv_arch_recognise(&a, f->store, err));
    *arch = a->name;
    return wkv_audit(a, f->store, pass_on, &l, err);
}

size_t wkv_file_meta_count(const wkv_file *f)
{
    return wkv_store_meta_count(f->store);
}

void wkv_file_meta_at(const wkv_file *f, size_t i, const char **key, const char **value)
{
    const bool there = i < wkv_store_meta_count(f->store);
    *key = there ? wkv_store_meta_at(f->store, i)->key : NULL;
    *value = there ? wkv_store_meta_at(f->store, i)->value : NULL;
}
