/* tests/support/tiny_model.c - see tiny_model.h. */
#include "support/tiny_model.h"

#include <math.h>

#include "test.h"

#include "arch/arch.h"
#include "base/mem.h"
#include "tok/tok.h"

const tiny_model tiny_rwkv4 = {"rwkv4", 3, 32, 0, 96, 4, NULL};
const tiny_model tiny_rwkv7 = {"rwkv7", 3, 32, 8, 96, 7, NULL};
const tiny_model tiny_aft_local = {"aft-local", 3, 32, 0, 96, 9, NULL};
const tiny_model tiny_aft_full = {"aft-full", 1, 16, 0, 96, 8, NULL};

static void check(wkv_status status, const wkv_error *err)
{
    if (status != WKV_OK)
        fail_msg("tiny model: %s", err->text);
}

/* Random values of a size that keeps the activations near one. */
static void disturb(const wkv_weights *w, const wkv_config *cfg, wkv_rng *rng)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_weight *weight = wkv_weights_at(w, cfg, i);
        if (weight->data == NULL)
            continue;
        real *values = (real *)(uintptr_t)weight->data; /* flat: ours to write */
        const size_t n = (size_t)weight->rows * (size_t)weight->cols;
        const double scale = p->kind == WKV_VEC ? 0.1 : 0.7 / sqrt(weight->cols);
        for (size_t k = 0; k < n; k++)
            values[k] = (real)((p->kind == WKV_VEC ? (double)values[k] : 0.0) +
                               scale * wkv_rng_normal(rng));
    }
}

static void write_model(const char *path, const tiny_model *t, const wkv_config *cfg,
                        const wkv_weights *w)
{
    const size_t count = (size_t)wkv_params_count(cfg);
    wkv_tensor *tensors = wkv_calloc(count, sizeof *tensors);
    char(*names)[WKV_NAME_MAX] = wkv_calloc(count, sizeof *names);
    assert_non_null(tensors);
    assert_non_null(names);
    wkv_config_meta config;
    wkv_config_to_meta(&config, cfg);
    wkv_meta meta[32];
    memcpy(meta, config.pair, config.n * sizeof *meta);
    wkv_store_out out = {
        .tensors = tensors, .meta = meta, .n_meta = config.n, .dtype = WKV_DTYPE_COUNT};
    if (t->tokenizer != NULL)
        meta[out.n_meta++] = (wkv_meta){WKV_META_TOKENIZER, t->tokenizer, strlen(t->tokenizer)};
    wkv_weights_tensors(w, cfg, tensors, names, &out.n_tensors);
    wkv_error err;
    check(wkv_store_write(path, "safetensors", &out, &err), &err);
    wkv_free(names);
    wkv_free(tensors);
}

void tiny_model_write(const char *path, const tiny_model *t)
{
    wkv_error err;
    wkv_config cfg;
    wkv_weights w;
    const wkv_arch *arch = wkv_arch_find(t->arch);
    assert_non_null(arch);
    const wkv_sizes sizes = {.layers = t->layers,
                             .width = t->width,
                             .head_size = t->head_size,
                             .vocab = t->vocab};
    check(wkv_config_new(&cfg, arch, &sizes, &err), &err);
    wkv_dev *dev;
    check(wkv_dev_open_cpu(&dev, 1, &err), &err);
    bool *present = wkv_calloc((size_t)wkv_params_count(&cfg), sizeof *present);
    assert_non_null(present);
    wkv_params_present(present, &cfg, NULL);
    real *flat = wkv_calloc(wkv_weights_flat_size(&cfg, present), sizeof *flat);
    assert_non_null(flat);
    check(wkv_weights_flat(&w, &cfg, present, flat, NULL, &err), &err);
    check(wkv_weights_create(&w, &cfg, dev, t->seed, 1e-3, &err), &err);
    wkv_rng rng;
    wkv_rng_seed(&rng, t->seed);
    disturb(&w, &cfg, &rng);
    write_model(path, t, &cfg, &w);
    wkv_weights_deinit(&w);
    wkv_free(flat);
    wkv_free(present);
    wkv_dev_close(&dev);
}
