/* train/export.c - what a run has made as one file: a model with its configuration and
 * vocabulary, an adapter, or initial states. */
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "store/content.h"
#include "train/trainer.h"

enum { MAX_META = 32 };

/* The configuration and the tokenizer, as text that points into m and t. */
static size_t describe_model(const wkv_trainer *t, wkv_config_meta *m, wkv_meta *out)
{
    wkv_config_to_meta(m, &t->cfg);
    memcpy(out, m->pair, m->n * sizeof *out);
    size_t n = m->n;
    if (t->tok == NULL)
        return n;
    const char *kind = t->tok->kind->name;
    out[n++] = (wkv_meta){WKV_META_TOKENIZER, kind, strlen(kind)};
    if (t->tok->vocab != NULL)
        out[n++] = (wkv_meta){WKV_META_VOCAB, t->tok->vocab, t->tok->vocab_len};
    return n;
}

/* The names are those of RWKV-PEFT; metadata, which .pth has no place for, say the rest. */
static wkv_status export_tuned(const wkv_trainer *t, const char *path, wkv_error *err)
{
    const wkv_train_opts *o = &t->opts;
    const size_t most = 2 * t->trained.n;
    const char *format = wkv_store_format_of_path(path);
    char alpha[32];
    wkv_tensor *tensors = wkv_calloc(most, sizeof *tensors);
    char(*names)[WKV_NAME_MAX] = wkv_calloc(most, sizeof *names);
    wkv_status s;
    if (tensors == NULL || names == NULL) {
        s = WKV_SET(err, WKV_E_MEMORY, "%s: out of memory", path);
    } else {
        wkv_number_print(alpha, sizeof alpha, "%.17g", o->lora_alpha > 0 ? o->lora_alpha : o->rank);
        const wkv_meta start = {"wkv.kind", WKV_KIND_START, strlen(WKV_KIND_START)};
        const wkv_meta factor = {WKV_META_ALPHA, alpha, strlen(alpha)};
        wkv_store_out what = {.tensors = tensors,
                              .n_tensors = t->trained.n,
                              .meta = o->tune == WKV_TUNE_LORA ? &factor : &start,
                              .n_meta = o->tune == WKV_TUNE_PISSA ? 0 : 1,
                              .dtype = WKV_DTYPE_F32};
        wkv_trained_view(&t->trained, t->optim.param, "", tensors, names[0], WKV_NAME_MAX);
        what.n_tensors +=
            wkv_tuning_view(t, tensors + t->trained.n, names[t->trained.n], WKV_NAME_MAX);
        s = wkv_store_write(path, format != NULL ? format : "safetensors", &what, err);
    }
    wkv_free(names);
    wkv_free(tensors);
    return s;
}

wkv_status wkv_trainer_export(const wkv_trainer *t, const char *path, wkv_error *err)
{
    if (t->opts.tune != WKV_TUNE_FULL)
        return export_tuned(t, path, err);
    size_t count = (size_t)wkv_params_count(&t->cfg);
    wkv_tensor *tensors = wkv_calloc(count, sizeof *tensors);
    char(*names)[WKV_NAME_MAX] = wkv_calloc(count, sizeof *names);
    wkv_config_meta config;
    wkv_meta meta[MAX_META];
    wkv_status s;
    if (tensors == NULL || names == NULL) {
        s = WKV_SET(err, WKV_E_MEMORY, "%s: out of memory", path);
    } else {
        wkv_store_out what = {.tensors = tensors, .meta = meta, .dtype = WKV_DTYPE_F32};
        wkv_weights_tensors(&t->weights, &t->cfg, tensors, names, &what.n_tensors);
        what.n_meta = describe_model(t, &config, meta);
        s = wkv_store_write(path, "safetensors", &what, err);
    }
    wkv_free(names);
    wkv_free(tensors);
    return s;
}
