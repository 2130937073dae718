/* train/export.c - the finished model as one file: weights, configuration, vocabulary. */
#include <string.h>

#include "base/mem.h"
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

wkv_status wkv_trainer_export(const wkv_trainer *t, const char *path, wkv_error *err)
{
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
