/* model/mix.c - see mix.h.  docs/quantisation.md has the measurements behind the table. */
#include "model/mix.h"

#include <string.h>
#include <wkv/quantize.h>

/* X(name, base, out, head, embed); q8 and q4 are the ones to take where nothing else is asked. */
#define MIXES(X) \
    X(q8, Q8_0, Q8_0, Q8_0, Q8_0) \
    X(q4, Q4_K, Q5_K, Q6_K, Q4_K) \
    X(q8_0, Q8_0, Q8_0, Q8_0, Q8_0) \
    X(q6_k, Q6_K, Q6_K, Q6_K, Q6_K) \
    X(q5_k_m, Q5_K, Q6_K, Q6_K, Q5_K) \
    X(q5_k, Q5_K, Q5_K, Q6_K, Q5_K) \
    X(q5_1, Q5_1, Q5_1, Q6_K, Q5_1) \
    X(q5_0, Q5_0, Q5_0, Q6_K, Q5_0) \
    X(q4_k_m, Q4_K, Q5_K, Q6_K, Q4_K) \
    X(q4_k, Q4_K, Q4_K, Q6_K, Q4_K) \
    X(q4_1, Q4_1, Q4_1, Q6_K, Q4_1) \
    X(q4_0, Q4_0, Q4_0, Q6_K, Q4_0) \
    X(q3_k, Q3_K, Q4_K, Q6_K, Q3_K) \
    X(q2_k, Q2_K, Q4_K, Q6_K, Q2_K)

static const wkv_mix mixes[] = {
#define MIX(name, base, out, head, embed) \
    {#name, WKV_DTYPE_##base, WKV_DTYPE_##out, WKV_DTYPE_##head, WKV_DTYPE_##embed},
    MIXES(MIX)
#undef MIX
};

const char *wkv_quantize_types(void)
{
    static const char names[] =
#define MIX(name, base, out, head, embed) "|" #name
        MIXES(MIX)
#undef MIX
        ;
    return names + 1;
}

const wkv_mix *wkv_mix_find(const char *name)
{
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++)
        if (strcmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

/* What stands in for a type of 256 values a block: one of 32 that is not worse. */
static wkv_dtype smaller_blocks(wkv_dtype t)
{
    switch (t) {
    case WKV_DTYPE_Q2_K:
    case WKV_DTYPE_Q3_K:
        return WKV_DTYPE_Q4_0;
    case WKV_DTYPE_Q4_K:
        return WKV_DTYPE_Q5_0;
    case WKV_DTYPE_Q5_K:
        return WKV_DTYPE_Q5_1;
    default: /* Q6_K */
        return WKV_DTYPE_Q8_0;
    }
}

static wkv_dtype wanted(const wkv_mix *mix, bool pure, wkv_role role)
{
    if (pure)
        return mix->base;
    switch (role) {
    case WKV_ROLE_EMBED:
        return mix->embed;
    case WKV_ROLE_OUT:
        return mix->out;
    case WKV_ROLE_HEAD:
        return mix->head;
    default:
        return mix->base;
    }
}

wkv_dtype wkv_mix_choose(const wkv_mix *mix, bool pure, const wkv_param *p, int64_t cols,
                         const char *format)
{
    const wkv_role role = wkv_param_role(p);
    if (role == WKV_ROLE_SMALL)
        return WKV_DTYPE_COUNT;
    wkv_dtype t = wanted(mix, pure, role);
    const bool large = wkv_dtype_of(t)->block == 256;
    if (large && (cols % 256 != 0 || !wkv_store_format_has(format, t)))
        t = smaller_blocks(t);
    return cols % wkv_dtype_of(t)->block == 0 ? t : WKV_DTYPE_F16;
}
