/* model/mix.h - which type each parameter gets when a model is quantised. */
#ifndef WKV_MODEL_MIX_H
#define WKV_MODEL_MIX_H

#include "arch/arch.h"

/* A named choice of types. */
typedef struct wkv_mix {
    const char *name;
    wkv_dtype base;  /* matrices that read the residual stream */
    wkv_dtype out;   /* those that add to it */
    wkv_dtype head;  /* makes the logits */
    wkv_dtype embed; /* rows are looked up */
} wkv_mix;

/* By name, or NULL. */
const wkv_mix *wkv_mix_find(const char *name);

/* The type for a parameter with rows of `cols` elements: the mix's, or, where rows are no whole
 * blocks of it or the format lacks it, the nearest one not worse; F16 when there is none.
 * WKV_DTYPE_COUNT for parameters that keep their own.  pure: the base for everything. */
wkv_dtype wkv_mix_choose(const wkv_mix *mix, bool pure, const wkv_param *p, int64_t cols,
                         const char *format);

#endif
