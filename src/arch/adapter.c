/* arch/adapter.c - see adapter.h. */
#include "arch/adapter.h"

#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

wkv_status wkv_adapter_init(wkv_adapter *a, size_t room, wkv_error *err)
{
    *a = (wkv_adapter){0};
    a->lora = wkv_calloc(room + 1, sizeof *a->lora);
    a->param = wkv_calloc(room + 1, sizeof *a->param);
    if (a->lora == NULL || a->param == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for changes of %zu matrices", room);
    return WKV_OK;
}

void wkv_adapter_deinit(wkv_adapter *a)
{
    wkv_free(a->lora);
    wkv_free(a->param);
    wkv_free_aligned(a->values);
    *a = (wkv_adapter){0};
}

wkv_status wkv_adapter_check_alpha(const char *option, double alpha, wkv_error *err)
{
    if (!(alpha >= 0 && alpha <= 1e9))
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: %g is out of range, expected 0 to 1e+09", option, alpha);
    return WKV_OK;
}

wkv_lora *wkv_adapter_add(wkv_adapter *a, const wkv_config *cfg, const wkv_weights *w, int i,
                          int rank)
{
    const wkv_weight *W = wkv_weights_at(w, cfg, i);
    wkv_lora *l = &a->lora[a->n];
    *l = (wkv_lora){
        .A = {.dtype = WKV_DTYPE_REAL, .rows = rank, .cols = W->cols},
        .B = {.dtype = WKV_DTYPE_REAL, .rows = W->rows, .cols = rank},
        .scale = 1,
    };
    a->param[a->n++] = i;
    return l;
}

void wkv_adapter_attach(const wkv_adapter *a, const wkv_config *cfg, wkv_weights *w)
{
    for (size_t i = 0; i < a->n; i++)
        wkv_weights_at(w, cfg, a->param[i])->lora = &a->lora[i];
}

void wkv_lora_merge(wkv_exec *x, real *m, const wkv_lora *l, real factor)
{
    const size_t mark = wkv_arena_mark(x->scratch);
    const size_t R = (size_t)l->A.rows, out = (size_t)l->B.rows;
    real *across = wkv_arena_reals(x->scratch, R * out);
    for (size_t o = 0; o < out && !wkv_exec_measuring(x); o++)
        for (size_t k = 0; k < R; k++)
            across[k * out + o] = factor * l->scale * wkv_vec(&l->B)[o * R + k];
    /* The gradient of a matrix is such a sum of R outer products. */
    const wkv_weight M = {.data = m,
                          .grad = m,
                          .dtype = WKV_DTYPE_REAL,
                          .rows = l->B.rows,
                          .cols = l->A.cols};
    x->dev->matmul_bwd(x, NULL, across, wkv_vec(&l->A), &M, l->A.rows, false);
    wkv_arena_reset(x->scratch, mark);
}

/* ---- which matrices -------------------------------------------------------------------- */

/* "blocks.3.att.key" of "blocks.3.att.key.weight"; *in_layer is its "att.key". */
static void stem_of(char stem[WKV_NAME_MAX], const char **in_layer, const wkv_param *p, int layer)
{
    wkv_param_name(stem, p, layer);
    size_t n = strlen(stem), suffix = strlen(".weight");
    if (n > suffix && strcmp(stem + n - suffix, ".weight") == 0)
        stem[n - suffix] = '\0';
    *in_layer = layer >= 0 ? strchr(stem + strlen("blocks."), '.') + 1 : stem;
}

/* True when `name` is the target of n characters, or lies below it. */
static bool is_below(const char *name, const char *target, size_t n)
{
    return n > 0 && strncmp(name, target, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static wkv_status unknown_target(const wkv_config *cfg, const wkv_weights *w, const char *target,
                                 size_t n, wkv_error *err)
{
    char stem[WKV_NAME_MAX];
    const char *in_layer;
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    /* A layer has them all, but the first may lack one. */
    const int last = cfg->arch->n_once + (cfg->layers - 1) * cfg->arch->n_layer;
    for (int i = last; i < wkv_params_count(cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        if (p->kind != WKV_MAT || wkv_weights_at(w, cfg, i)->data == NULL)
            continue;
        stem_of(stem, &in_layer, p, layer);
        wkv_strbuf_printf(&b, "%s, ", in_layer);
    }
    wkv_status s = WKV_SET(err, WKV_E_ARGUMENT,
                           "lora-targets: the model has no matrix \"%.*s\"; it has %shead, att and "
                           "ffn for all of those, and blocks.0 to blocks.%d",
                           (int)(n < 64 ? n : 64), target, wkv_strbuf_ok(&b) ? b.data : "",
                           cfg->layers - 1);
    wkv_strbuf_deinit(&b);
    return s;
}

static bool choose(bool *chosen, const wkv_config *cfg, const wkv_weights *w, const char *target,
                   size_t n)
{
    bool any = false;
    char stem[WKV_NAME_MAX];
    const char *in_layer;
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        if (p->kind != WKV_MAT || wkv_weights_at(w, cfg, i)->data == NULL)
            continue;
        stem_of(stem, &in_layer, p, layer);
        bool all = target == NULL && layer >= 0;
        if (all || (target != NULL && (is_below(in_layer, target, n) || is_below(stem, target, n))))
            any = chosen[i] = true;
    }
    return any;
}

wkv_status wkv_adapter_choose(bool *chosen, const wkv_config *cfg, const wkv_weights *w,
                              const char *targets, wkv_error *err)
{
    memset(chosen, 0, (size_t)wkv_params_count(cfg) * sizeof *chosen);
    if (targets == NULL) {
        choose(chosen, cfg, w, NULL, 0);
        return WKV_OK;
    }
    for (const char *at = targets;; at++) {
        size_t n = strcspn(at, ",");
        if (!choose(chosen, cfg, w, at, n))
            return unknown_target(cfg, w, at, n, err);
        at += n;
        if (*at == '\0')
            return WKV_OK;
    }
}
