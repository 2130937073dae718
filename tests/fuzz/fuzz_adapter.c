/* Any bytes as an adapter or initial states for a model of RWKV-7: refused with an error, or read,
 * applied and, where they are an adapter, added to a matrix. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "arch/adapter.h"
#include "store/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct model {
    wkv_dev *dev;
    wkv_config cfg;
    wkv_weights weights;
} model;

/* The same for all inputs: two layers of width 8. */
static void open_model(model *m)
{
    bool present[128];
    wkv_error err;
    const wkv_sizes sizes = {.layers = 2, .width = 8, .head_size = 4, .vocab = 12};
    if (wkv_dev_open_cpu(&m->dev, 1, &err) != WKV_OK ||
        wkv_config_new(&m->cfg, wkv_arch_find("rwkv7"), &sizes, &err) != WKV_OK ||
        wkv_params_count(&m->cfg) > 128)
        abort();
    wkv_params_present(present, &m->cfg, NULL);
    real *flat = aligned_alloc(64, wkv_weights_flat_size(&m->cfg, present) * sizeof *flat);
    if (flat == NULL ||
        wkv_weights_flat(&m->weights, &m->cfg, present, flat, NULL, &err) != WKV_OK ||
        wkv_weights_create(&m->weights, &m->cfg, m->dev, 1, 1e-3, &err) != WKV_OK)
        abort();
}

static void merge_first(const model *m, const wkv_adapter *a)
{
    wkv_arena scratch;
    wkv_exec x = {.dev = m->dev, .scratch = &scratch};
    const wkv_lora *l = &a->lora[0];
    real *sum = calloc((size_t)l->B.rows * (size_t)l->A.cols, sizeof *sum);
    wkv_arena_measure(&scratch);
    wkv_lora_merge(&x, sum, l, 1);
    if (sum == NULL || !wkv_arena_init(&scratch, scratch.peak))
        abort();
    wkv_lora_merge(&x, sum, l, 1);
    wkv_arena_deinit(&scratch);
    free(sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model m;
    wkv_error err;
    wkv_store *file;
    wkv_adapter a = {0};
    if (m.dev == NULL)
        open_model(&m);
    if (wkv_store_open_memory(&file, "fuzz", data, size, &err) != WKV_OK)
        return 0;
    if (wkv_adapter_read(&a, &m.cfg, &m.weights, file, NULL, size % 2 == 0 ? 0 : 4, &err) ==
        WKV_OK) {
        assert(a.n > 0);
        merge_first(&m, &a);
    } else {
        assert(err.text[0] != '\0');
    }
    wkv_adapter_deinit(&a);
    /* What the file has whole is taken by a model of its own. */
    model other = {.dev = m.dev, .cfg = m.cfg};
    if (wkv_weights_bind(&other.weights, &other.cfg, file, &err) == WKV_OK) {
        if (wkv_weights_replace(&other.weights, &other.cfg, file, &err) != WKV_OK)
            assert(err.text[0] != '\0');
        wkv_weights_deinit(&other.weights);
    }
    wkv_store_close(&file);
    return 0;
}
