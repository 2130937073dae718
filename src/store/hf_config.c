/* store/hf_config.c - config.json: what it says that the tensors do not (epsilons), and
 * whether the tensors agree with the rest of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/hf.h"
#include "store/json.h"
#include "store/names.h"

enum { MAX_DEPTH = 16, MAX_SIZE = 1 << 30 };

/* The key of each size, and the dimension of a tensor that must be equal to it. */
typedef struct checked {
    const char *key;
    const char *tensor;
    int dim;
} checked;

static const checked sizes[WKV_HF_SIZES] = {
    [WKV_HF_VOCAB] = {"vocab_size", "emb.weight", 0},
    [WKV_HF_WIDTH] = {"hidden_size", "emb.weight", 1},
    [WKV_HF_LAYERS] = {"num_hidden_layers", NULL, 0},
    [WKV_HF_ATT] = {"attention_hidden_size", "blocks.0.att.key.weight", 0},
    [WKV_HF_FFN] = {"intermediate_size", "blocks.0.ffn.key.weight", 0},
    [WKV_HF_HEAD_DIM] = {"head_dim", "blocks.0.att.r_k", 1},
    [WKV_HF_HEAD_SIZE] = {"head_size", "blocks.0.att.time_faaaa", 1},
};

/* ---- reading --------------------------------------------------------------------------- */

static wkv_status read_size(wkv_hf_config *c, const json_t *root, wkv_hf_size i, wkv_error *err)
{
    const json_t *v = json_object_get(root, sizes[i].key);
    if (v == NULL || json_is_null(v))
        return WKV_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > MAX_SIZE)
        WKV_FAIL(err, WKV_E_FORMAT, "\"%s\" is no number from 1 to %d", sizes[i].key, MAX_SIZE);
    c->size[i] = json_integer_value(v);
    return WKV_OK;
}

/* An epsilon; *out stays when there is none. */
static wkv_status read_eps(double *out, const json_t *root, const char *key, wkv_error *err)
{
    const json_t *v = json_object_get(root, key);
    if (v == NULL)
        return WKV_OK;
    if (!json_is_number(v) || !(json_number_value(v) > 0) || !(json_number_value(v) < 1))
        WKV_FAIL(err, WKV_E_FORMAT, "\"%s\" is no number between 0 and 1", key);
    *out = json_number_value(v);
    return WKV_OK;
}

/* transformers' RWKV-4, and the remote code of RWKV-5 and 6, whose group norm sees its
 * input divided by head_size_divisor; flash-linear-attention's RWKV-7, whose group norm
 * has head_dim times the layers' epsilon. */
static wkv_status read_epsilons(wkv_hf_config *c, const json_t *root, wkv_error *err)
{
    const json_t *divisor = json_object_get(root, "head_size_divisor");
    WKV_TRY(read_eps(&c->ln_eps, root, "layer_norm_epsilon", err));
    WKV_TRY(read_eps(&c->ln_eps, root, "norm_eps", err));
    if (json_is_number(divisor) && json_number_value(divisor) >= 1 &&
        json_number_value(divisor) < 1e3)
        c->gn_eps = 1e-5 * json_number_value(divisor) * json_number_value(divisor);
    if (json_object_get(root, "norm_eps") != NULL && c->size[WKV_HF_HEAD_DIM] > 0)
        c->gn_eps = (double)c->size[WKV_HF_HEAD_DIM] * c->ln_eps;
    return WKV_OK;
}

static wkv_status check_meaning(const json_t *root, wkv_error *err)
{
    const json_t *attn = json_object_get(root, "attn");
    const char *act = json_string_value(json_object_get(root, "hidden_act"));
    if (attn != NULL && !json_is_null(attn))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the model has layers of attention (\"attn\"), which are not supported");
    if (act != NULL && strcmp(act, "sqrelu") != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "\"hidden_act\" is '%.40s'; RWKV has 'sqrelu'", act);
    return WKV_OK;
}

static wkv_status read_config(wkv_hf_config *c, const json_t *root, wkv_error *err)
{
    if (!json_is_object(root))
        WKV_FAIL(err, WKV_E_FORMAT, "it is no JSON object");
    const char *type = json_string_value(json_object_get(root, "model_type"));
    snprintf(c->model_type, sizeof c->model_type, "%s", type != NULL ? type : "");
    for (int i = 0; i < WKV_HF_SIZES; i++)
        WKV_TRY(read_size(c, root, (wkv_hf_size)i, err));
    /* The files written by RWKV-7's library carry both; the one counts there. */
    if (json_is_true(json_object_get(root, "tie_word_embeddings")))
        c->tied = true;
    WKV_TRY(check_meaning(root, err));
    return read_epsilons(c, root, err);
}

wkv_status wkv_hf_config_parse(wkv_hf_config *out, const void *text, uint64_t n, wkv_error *err)
{
    json_t *root;
    *out = (wkv_hf_config){0};
    WKV_TRY(wkv_json_parse(&root, "it", text, n, MAX_DEPTH, err));
    wkv_status status = read_config(out, root, err);
    json_decref(root);
    return status;
}

/* ---- against the tensors ---------------------------------------------------------------- */

static int64_t count_layers(const wkv_store *s)
{
    int64_t layers = 0;
    for (size_t i = 0; i < wkv_store_count(s); i++) {
        const char *name = wkv_store_at(s, i)->name;
        uint64_t layer;
        if (strncmp(name, "blocks.", 7) == 0 && wkv_names_number(name + 7, &layer) > 0 &&
            (int64_t)layer >= layers)
            layers = (int64_t)layer + 1;
    }
    return layers;
}

wkv_status wkv_hf_config_check(const wkv_hf_config *c, const wkv_store *s, wkv_error *err)
{
    for (int i = 0; i < WKV_HF_SIZES; i++) {
        const checked *k = &sizes[i];
        const wkv_tensor *t = k->tensor != NULL ? wkv_store_find(s, k->tensor) : NULL;
        if (c->size[i] == 0 || (k->tensor != NULL && (t == NULL || t->ndim != 2)))
            continue;
        const int64_t found = t != NULL ? t->dim[k->dim] : count_layers(s);
        if (found != c->size[i])
            WKV_FAIL(err, WKV_E_SHAPE,
                     "config.json has \"%s\": %" PRId64 ", but the tensors have %" PRId64 "%s%s",
                     k->key, c->size[i], found, t != NULL ? " as a dimension of " : " layers",
                     t != NULL ? k->tensor : "");
    }
    return WKV_OK;
}
