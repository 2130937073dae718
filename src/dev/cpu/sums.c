/* dev/cpu/sums.c - see sums.h. */
#include "dev/cpu/sums.h"

#include <string.h>

#include "dev/cpu/cpu.h"

wkv_sums wkv_sums_alloc(wkv_exec *x, int n, int rows, size_t C)
{
    wkv_sums s = {.blocks = ((size_t)rows + WKV_SUM_ROWS - 1) / WKV_SUM_ROWS, .C = C};
    s.of_blocks = wkv_arena_reals(x->scratch, (size_t)n * s.blocks * C);
    return s;
}

real *wkv_sums_begin(const wkv_sums *s, int i, size_t block)
{
    real *sum = s->of_blocks + ((size_t)i * s->blocks + block) * s->C;
    memset(sum, 0, s->C * sizeof *sum);
    return sum;
}

void wkv_sums_set(const wkv_kern *kern, const wkv_sums *s, int i, size_t block, const real *in,
                  int rows)
{
    kern->colsum(wkv_sums_begin(s, i, block), in, rows, (int)s->C, (int)s->C);
}

void wkv_sums_finish(wkv_exec *x, const wkv_sums *s, int i, const wkv_weight *w)
{
    if (w->grad != NULL)
        wkv_cpu_colsum(x, w->grad, s->of_blocks + (size_t)i * s->blocks * s->C, (int)s->blocks,
                       s->C);
}
