/* arch/start.c - initial states that are learnt: parameters of the model like all others, which
 * no forward pass reads but whoever begins a sequence.
 *
 * RWKV-PEFT's kernels have a head's matrix as [value][key] and so have the files of all
 * trainers; ours is S[key][value]. */
#include <string.h>

#include "arch/blocks.h"

bool wkv_param_is_start(const wkv_param *p)
{
    return strcmp(p->name, "blocks.%d.att.time_state") == 0;
}

/* The start of layer l; NULL when the version or this model has none. */
static const wkv_weight *start_of(const wkv_config *cfg, const wkv_weights *w, int l)
{
    const wkv_arch *a = cfg->arch;
    for (int i = 0; i < a->n_layer; i++)
        if (wkv_param_is_start(&a->layer[i])) {
            const wkv_weight *start = &w->layer[l * a->n_layer + i];
            return start->data != NULL ? start : NULL;
        }
    return NULL;
}

static size_t memory_at(const wkv_config *cfg, int l)
{
    return wkv_layer_slot(cfg, wkv_matrix_memory(cfg), NULL, l, WKV_MEMORY).offset;
}

/* to[h][j][i] = or += from[h][i][j] */
static void transpose(real *to, const real *from, int H, int N, bool add)
{
    const size_t n = (size_t)N;
    for (size_t h = 0; h < (size_t)H; h++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                real *one = &to[(h * n + j) * n + i];
                *one = (add ? *one : 0) + from[(h * n + i) * n + j];
            }
}

void wkv_state_start(const wkv_config *cfg, const wkv_weights *w, real *state)
{
    cfg->arch->state_init(cfg, state);
    for (int l = 0; l < cfg->layers; l++) {
        const wkv_weight *start = start_of(cfg, w, l);
        if (start != NULL)
            transpose(state + memory_at(cfg, l), wkv_vec(start), cfg->dim[WKV_DIM_H],
                      cfg->dim[WKV_DIM_N], false);
    }
}

void wkv_state_start_bwd(const wkv_config *cfg, const wkv_weights *w, const real *dstate)
{
    for (int l = 0; l < cfg->layers; l++) {
        const wkv_weight *start = start_of(cfg, w, l);
        if (start != NULL && start->grad != NULL)
            transpose(start->grad, dstate + memory_at(cfg, l), cfg->dim[WKV_DIM_H],
                      cfg->dim[WKV_DIM_N], true);
    }
}

bool wkv_state_start_trained(const wkv_config *cfg, const wkv_weights *w)
{
    for (int l = 0; l < cfg->layers; l++) {
        const wkv_weight *start = start_of(cfg, w, l);
        if (start != NULL && start->grad != NULL)
            return true;
    }
    return false;
}
