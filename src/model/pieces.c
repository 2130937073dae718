/* model/pieces.c - what a model is opened with beside its own file: an adapter, initial states. */
#include "model/model_impl.h"
#include "store/content.h"

static wkv_status read_adapter(wkv_model *m, const wkv_store *init, double alpha, wkv_error *err)
{
    WKV_TRY(
        wkv_adapter_read(&m->adapter, &m->cfg, &m->weights, m->adapter_file, init, alpha, err));
    wkv_adapter_attach(&m->adapter, &m->cfg, &m->weights);
    return wkv_weights_replace(&m->weights, &m->cfg, m->adapter_file, err);
}

static wkv_status add_adapter(wkv_model *m, const wkv_model_opts *o, wkv_error *err)
{
    wkv_store *init = NULL;
    WKV_TRY(wkv_adapter_check_alpha("adapter-alpha", o->adapter_alpha, err));
    WKV_TRY(wkv_store_open(&m->adapter_file, o->adapter, err));
    if (o->adapter_init != NULL)
        WKV_TRY(wkv_store_open(&init, o->adapter_init, err));
    wkv_status s = read_adapter(m, init, o->adapter_alpha, err);
    wkv_store_close(&init);
    return s == WKV_OK ? s : wkv_error_prefix(err, s, o->adapter);
}

static bool has_start(const wkv_arch *a)
{
    for (int i = 0; i < a->n_layer; i++)
        if (wkv_param_is_start(&a->layer[i]))
            return true;
    return false;
}

wkv_status wkv_pieces_check_state(const wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    wkv_content c;
    wkv_store_content(&c, file);
    if (c.id != WKV_CONTENT_STATE)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "no initial state but: %s (a file of blocks.N.att.time_state was expected)",
                 wkv_content_name(c.id));
    if (!has_start(cfg->arch))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "an initial state is a matrix for each head, and %s has none; RWKV-5, 6 and 7 do",
                 cfg->arch->name);
    if (c.layers != cfg->layers || c.matrices != (size_t)cfg->layers)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "has initial states of %zu layers, the highest number %d; the model has %d layers",
                 c.matrices, c.layers - 1, cfg->layers);
    return WKV_OK;
}

static wkv_status add_state(wkv_model *m, const char *path, wkv_error *err)
{
    WKV_TRY(wkv_store_open(&m->state_file, path, err));
    wkv_status s = wkv_pieces_check_state(&m->cfg, m->state_file, err);
    if (s == WKV_OK)
        s = wkv_weights_replace(&m->weights, &m->cfg, m->state_file, err);
    return s == WKV_OK ? s : wkv_error_prefix(err, s, path);
}

wkv_status wkv_pieces_add(wkv_model *m, const wkv_model_opts *o, wkv_error *err)
{
    if (o->adapter == NULL && (o->adapter_init != NULL || o->adapter_alpha != 0))
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: there is no adapter that it could be of",
                 o->adapter_init != NULL ? "adapter-init" : "adapter-alpha");
    if (o->adapter != NULL)
        WKV_TRY(add_adapter(m, o, err));
    return o->state != NULL ? add_state(m, o->state, err) : WKV_OK;
}
