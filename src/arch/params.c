/* arch/params.c - walking a version's parameter table. */
#include <stdio.h>

#include "arch/arch.h"

int wkv_params_count(const wkv_config *cfg)
{
    return cfg->arch->n_once + cfg->layers * cfg->arch->n_layer;
}

const wkv_param *wkv_params_at(const wkv_config *cfg, int i, int *layer)
{
    const wkv_arch *a = cfg->arch;
    *layer = i < a->n_once ? -1 : (i - a->n_once) / a->n_layer;
    return i < a->n_once ? &a->once[i] : &a->layer[(i - a->n_once) % a->n_layer];
}

bool wkv_param_exists(const wkv_param *p, int layer)
{
    return p->scope != WKV_LAYER_GE1 || layer > 0;
}

bool wkv_param_needed(const wkv_config *cfg, const wkv_param *p, int layer)
{
    const bool here = p->need == WKV_REQUIRED || (p->need == WKV_SHIFTED && cfg->token_shift);
    return here && wkv_param_exists(p, layer);
}

void wkv_param_name(char buf[WKV_NAME_MAX], const wkv_param *p, int layer)
{
    /* Table names hold one "%d" when they are a layer's, and nothing else special. */
    const char *from = p->name;
    size_t n = 0;
    while (*from != '\0' && n + 12 < WKV_NAME_MAX) {
        if (from[0] == '%' && from[1] == 'd') {
            n += (size_t)snprintf(buf + n, WKV_NAME_MAX - n, "%d", layer);
            from += 2;
        } else {
            buf[n++] = *from++;
        }
    }
    buf[n] = '\0';
}

int wkv_param_shape(const wkv_config *cfg, const wkv_param *p, int64_t dim[WKV_MAX_DIMS])
{
    int n = 0;
    for (int j = 0; j < 3; j++)
        if (p->dims[j] != WKV_DIM_1 || j == 0)
            dim[n++] = cfg->dim[p->dims[j]];
    return n;
}

void wkv_params_present(bool *present, const wkv_config *cfg, const wkv_store *file)
{
    int count = wkv_params_count(cfg), layer;
    char name[WKV_NAME_MAX];
    for (int i = 0; i < count; i++) {
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        wkv_param_name(name, p, layer);
        present[i] = wkv_param_exists(p, layer);
        if (file != NULL)
            present[i] = present[i] && wkv_store_find(file, name) != NULL;
        else
            present[i] = wkv_param_needed(cfg, p, layer) || (present[i] && p->need == WKV_OPTIONAL);
    }
}
