/* model/model.c - opening a model: map the file, recognise its version, bind the weights,
 * open the device and the tokenizer, and describe the result.
 *
 * The order matters only for errors: what is cheap and likely to be wrong comes first. */
#include "model/model_impl.h"

#include "base/mem.h"
#include "model/vocab.h"
#include "store/content.h"

void wkv_model_opts_init(wkv_model_opts *o)
{
    *o = (wkv_model_opts){0};
}

static wkv_status open_tokenizer(wkv_model *m, const char *spec, wkv_error *err)
{
    wkv_tok **tok = &m->tokenizer.tok;
    const int V = m->cfg.dim[WKV_DIM_V];
    const char *who = spec != NULL ? spec : wkv_store_path(m->store);
    if (spec != NULL)
        WKV_TRY(wkv_vocab_open(tok, spec, err));
    else
        WKV_TRY(wkv_vocab_of_store(tok, m->store, err));
    if (*tok == NULL && V == 256)
        WKV_TRY(wkv_tok_open_bytes(tok, err));
    return *tok != NULL ? wkv_vocab_fits(*tok, V, who, err) : WKV_OK;
}

/* Sums over the parameters that the file has, in the types it has them in. */
static void describe_weights(wkv_model *m)
{
    wkv_model_info *info = &m->info;
    const int n = wkv_params_count(&m->cfg);
    for (int i = 0; i < n; i++) {
        if (wkv_weights_at(&m->weights, &m->cfg, i)->data == NULL)
            continue;
        int layer;
        char name[WKV_NAME_MAX];
        const wkv_param *p = wkv_params_at(&m->cfg, i, &layer);
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_store_find(m->store, name);
        if (t == NULL)
            continue;
        uint64_t bytes = 0, count = (uint64_t)wkv_tensor_count(t);
        wkv_dtype_bytes(t->dtype, count, &bytes);
        info->parameters += count;
        info->weight_bytes += bytes;
        if (p->kind != WKV_MAT)
            continue;
        const char *dtype = wkv_dtype_of(t->dtype)->name;
        info->dtype = info->dtype == NULL || info->dtype == dtype ? dtype : "mixed";
    }
}

static void describe(wkv_model *m)
{
    const wkv_config *cfg = &m->cfg;
    const wkv_tok *tok = m->tokenizer.tok;
    m->info = (wkv_model_info){
        .arch = cfg->arch->name,
        .format = wkv_store_format(m->store),
        .tokenizer = tok != NULL ? tok->kind->name : NULL,
        .layers = cfg->layers,
        .width = cfg->dim[WKV_DIM_C],
        .heads = cfg->dim[WKV_DIM_H],
        .head_size = cfg->dim[WKV_DIM_N],
        .ffn_width = cfg->dim[WKV_DIM_F],
        .vocab = cfg->dim[WKV_DIM_V],
        .state_bytes = cfg->arch->state_size(cfg) * sizeof(real),
        .threads = m->dev->threads,
        .max_length = wkv_config_max_length(cfg),
        .window = cfg->dim[WKV_DIM_S],
        .token_shift = cfg->token_shift,
    };
    describe_weights(m);
}

/* What is a piece of a model is no damaged model. */
static wkv_status explain(const wkv_store *file, wkv_status status, const char *path,
                          wkv_error *err)
{
    wkv_content c;
    wkv_store_content(&c, file);
    if (c.id != WKV_CONTENT_MODEL && c.id != WKV_CONTENT_TENSORS && status != WKV_E_MEMORY)
        WKV_SET(err, status, "the file is no model: %s", wkv_content_name(c.id));
    return wkv_error_prefix(err, status, path);
}

/* On failure what is open already stays in *m, for wkv_model_close. */
static wkv_status open_parts(wkv_model *m, const char *path, const wkv_model_opts *o,
                             wkv_error *err)
{
    if (o->threads < 0)
        WKV_FAIL(err, WKV_E_ARGUMENT, "threads is %d; 0 (all) or more was expected", o->threads);
    WKV_TRY(wkv_store_open(&m->store, path, err));
    wkv_status status = wkv_config_infer(&m->cfg, m->store, err);
    if (status == WKV_OK)
        status = wkv_weights_bind(&m->weights, &m->cfg, m->store, err);
    if (status != WKV_OK)
        return explain(m->store, status, path, err);
    WKV_TRY(wkv_pieces_add(m, o, err));
    WKV_TRY(open_tokenizer(m, o->vocab, err));
    WKV_TRY(wkv_dev_open_cpu(&m->dev, o->threads, err));
    status = wkv_weights_pack(&m->weights, &m->cfg, m->dev, err);
    if (status != WKV_OK)
        return wkv_error_prefix(err, status, path);
    describe(m);
    return WKV_OK;
}

wkv_status wkv_model_open(wkv_model **out, const char *path, const wkv_model_opts *opts,
                          wkv_error *err)
{
    *out = NULL;
    wkv_model_opts defaults;
    wkv_model_opts_init(&defaults);
    wkv_model *m = wkv_calloc(1, sizeof *m);
    if (m == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    wkv_status status = open_parts(m, path, opts != NULL ? opts : &defaults, err);
    if (status != WKV_OK) {
        wkv_model_close(&m);
        return status;
    }
    *out = m;
    return WKV_OK;
}

void wkv_model_close(wkv_model **pm)
{
    wkv_model *m = *pm;
    *pm = NULL;
    if (m == NULL)
        return;
    wkv_tok_close(&m->tokenizer.tok);
    wkv_dev_close(&m->dev);
    wkv_weights_deinit(&m->weights);
    wkv_adapter_deinit(&m->adapter);
    wkv_store_close(&m->adapter_file);
    wkv_store_close(&m->state_file);
    wkv_store_close(&m->store);
    wkv_free(m);
}

void wkv_model_describe(const wkv_model *m, wkv_model_info *info)
{
    *info = m->info;
}

const wkv_tokenizer *wkv_model_tokenizer(const wkv_model *m)
{
    return m->tokenizer.tok != NULL ? &m->tokenizer : NULL;
}
