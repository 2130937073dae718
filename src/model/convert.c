/* model/convert.c - one file of tensors becomes another: other format, other type of the
 * matrices, a vocabulary put inside.
 *
 * Tensors go through one by one and in order, straight out of the input's mapping.  A
 * file that is a model also gets its configuration as metadata, so that the output says
 * by itself what it is; a file that is none is converted all the same. */
#include <string.h>
#include <wkv/file.h>

#include "arch/arch.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/vocab.h"

/* Everything that one conversion holds. */
typedef struct conversion {
    wkv_store *in;
    wkv_tok *tok; /* to be put inside; NULL keeps what the input has */
    bool is_model;
    wkv_config cfg;
    wkv_config_meta config;
    wkv_meta *meta;
    size_t n_meta;
    wkv_tensor *tensors;
    wkv_store_out out;
    wkv_store_progress progress;
} conversion;

void wkv_convert_opts_init(wkv_convert_opts *o)
{
    *o = (wkv_convert_opts){0};
}

/* Later values replace earlier ones. */
static void put_meta(conversion *c, const wkv_meta *pair)
{
    for (size_t i = 0; i < c->n_meta; i++) {
        if (strcmp(c->meta[i].key, pair->key) == 0) {
            c->meta[i] = *pair;
            return;
        }
    }
    c->meta[c->n_meta++] = *pair;
}

static void drop_meta(conversion *c, const char *key)
{
    for (size_t i = 0; i < c->n_meta; i++) {
        if (strcmp(c->meta[i].key, key) != 0)
            continue;
        c->n_meta--;
        memmove(&c->meta[i], &c->meta[i + 1], (c->n_meta - i) * sizeof *c->meta);
        return;
    }
}

/* A model's number that is none (E_FORMAT) would be another one in a format that keeps no text. */
static wkv_status recognise(conversion *c, wkv_error *err)
{
    wkv_error why;
    wkv_status status = wkv_config_infer(&c->cfg, c->in, &why);
    if (status == WKV_E_MEMORY || status == WKV_E_FORMAT)
        WKV_FAIL(err, status, "%s: %s", wkv_store_path(c->in), why.text);
    c->is_model = status == WKV_OK;
    return WKV_OK;
}

static wkv_status open_vocab(conversion *c, const char *spec, wkv_error *err)
{
    if (spec == NULL)
        return WKV_OK;
    WKV_TRY(wkv_vocab_open(&c->tok, spec, err));
    return c->is_model ? wkv_vocab_fits(c->tok, c->cfg.dim[WKV_DIM_V], spec, err) : WKV_OK;
}

/* What the input says, then what is known better. */
static wkv_status gather_meta(conversion *c, wkv_error *err)
{
    if (c->is_model)
        wkv_config_to_meta(&c->config, &c->cfg);
    const size_t n = wkv_store_meta_count(c->in);
    c->meta = wkv_malloc((n + c->config.n + 2) * sizeof *c->meta);
    if (c->meta == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the metadata");
    for (size_t i = 0; i < n; i++)
        c->meta[i] = *wkv_store_meta_at(c->in, i);
    c->n_meta = n;
    for (size_t i = 0; i < c->config.n; i++)
        put_meta(c, &c->config.pair[i]);
    if (c->tok == NULL)
        return WKV_OK;
    drop_meta(c, WKV_META_VOCAB);
    wkv_meta pair[2];
    const size_t pairs = wkv_vocab_to_meta(pair, c->tok);
    for (size_t i = 0; i < pairs; i++)
        put_meta(c, &pair[i]);
    return WKV_OK;
}

static wkv_status gather_tensors(conversion *c, wkv_error *err)
{
    const size_t n = wkv_store_count(c->in);
    c->tensors = wkv_malloc(n * sizeof *c->tensors);
    if (c->tensors == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        c->tensors[i] = *wkv_store_at(c->in, i);
    return WKV_OK;
}

/* The hook's tensors in the place of the input's, or behind them. */
static wkv_status take_changed(conversion *c, const wkv_convert_hook *hook, wkv_error *err)
{
    const wkv_tensor *list;
    const size_t n = hook->changed(hook->user, &list), old = c->out.n_tensors;
    wkv_tensor *all = wkv_malloc((old + n) * sizeof *all);
    if (all == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", old + n);
    memcpy(all, c->tensors, old * sizeof *all);
    wkv_free(c->tensors);
    c->tensors = all;
    for (size_t i = 0; i < n; i++) {
        const wkv_tensor *t = wkv_store_find(c->in, list[i].name);
        const size_t at = t != NULL ? (size_t)(t - wkv_store_at(c->in, 0)) : c->out.n_tensors++;
        all[at] = list[i];
    }
    c->out.tensors = all;
    return WKV_OK;
}

static wkv_status choose_dtype(wkv_dtype *dtype, const char *name, wkv_error *err)
{
    *dtype = WKV_DTYPE_COUNT;
    if (name == NULL)
        return WKV_OK;
    *dtype = wkv_dtype_by_name(name);
    if (*dtype != WKV_DTYPE_F32 && *dtype != WKV_DTYPE_F16 && *dtype != WKV_DTYPE_BF16)
        WKV_FAIL(err, WKV_E_ARGUMENT, "the type \"%s\" cannot be written; f32, f16 or bf16 can",
                 name);
    return WKV_OK;
}

static wkv_status convert(conversion *c, const char *in, const char *out, const wkv_convert_opts *o,
                          const wkv_convert_hook *hook, wkv_error *err)
{
    const char *format = o->format != NULL ? o->format : wkv_store_format_of_path(out);
    if (format == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: the suffix says no format; name one (gguf, safetensors, pth, hf or rwkv.cpp)",
                 out);
    WKV_TRY(choose_dtype(&c->out.dtype, o->dtype, err));
    WKV_TRY(wkv_store_open(&c->in, in, err));
    WKV_TRY(recognise(c, err));
    WKV_TRY(open_vocab(c, o->vocab, err));
    WKV_TRY(gather_meta(c, err));
    WKV_TRY(gather_tensors(c, err));
    c->out.tensors = c->tensors;
    c->out.n_tensors = wkv_store_count(c->in);
    c->out.meta = c->meta;
    c->out.n_meta = c->n_meta;
    c->progress = (wkv_store_progress){.user = o->user, .tell = o->on_progress};
    c->out.progress = o->on_progress != NULL ? &c->progress : NULL;
    if (hook != NULL) {
        WKV_TRY(hook->prepare(hook->user, c->in, c->is_model ? &c->cfg : NULL, format, err));
        c->out.quantiser = hook->quantiser;
        if (hook->changed != NULL)
            WKV_TRY(take_changed(c, hook, err));
    }
    return wkv_store_write(out, format, &c->out, err);
}

wkv_status wkv_convert_through(const char *in, const char *out, const wkv_convert_opts *opts,
                               const wkv_convert_hook *hook, wkv_error *err)
{
    wkv_convert_opts defaults;
    wkv_convert_opts_init(&defaults);
    conversion c = {0};
    wkv_status status = convert(&c, in, out, opts != NULL ? opts : &defaults, hook, err);
    wkv_free(c.tensors);
    wkv_free(c.meta);
    wkv_tok_close(&c.tok);
    wkv_store_close(&c.in);
    return status;
}

wkv_status wkv_convert(const char *in, const char *out, const wkv_convert_opts *opts,
                       wkv_error *err)
{
    return wkv_convert_through(in, out, opts, NULL, err);
}
