/* dev/cpu/columns.c - see columns.h.
 *
 * Which inputs count is found once for all outputs.  Rows are multiplied one by one, so that
 * each has its own zeros and the bits that it has alone; a group of weights stays in the
 * second-level cache meanwhile. */
#include "dev/cpu/columns.h"

#include "dev/cpu/cpu.h"

wkv_nonzeros wkv_nonzeros_alloc(wkv_exec *x, int rows, size_t n)
{
    return (wkv_nonzeros){wkv_arena_alloc(x->scratch, (size_t)rows * n * sizeof(uint32_t)),
                          wkv_arena_alloc(x->scratch, (size_t)rows * sizeof(int))};
}

typedef struct search {
    const wkv_nonzeros *z;
    const real *in;
    size_t n;
} search;

static void find_in_rows(const wkv_kern *k, const void *ctx, wkv_span s)
{
    (void)k;
    const search *f = ctx;
    for (size_t r = s.begin; r < s.begin + s.n; r++) {
        uint32_t *to = f->z->row + r * f->n;
        const real *v = f->in + r * f->n;
        size_t count = 0;
        for (size_t j = 0; j < f->n; j++) { /* no branch: nobody foresees it */
            to[count] = (uint32_t)j;
            count += v[j] != 0;
        }
        f->z->count[r] = (int)count;
    }
}

void wkv_nonzeros_find(const wkv_exec *x, const wkv_nonzeros *z, const real *in, int rows, size_t n)
{
    const search f = {z, in, n};
    wkv_cpu_cut(x, find_in_rows, &f, (size_t)rows, 1, (size_t)rows * n);
}

static void multiply_group(const wkv_kern *k, const wkv_product *p, const wkv_nonzeros *z, real *y,
                           const void *group, int n_out, int rows)
{
    const wkv_weight *W = p->W;
    for (size_t r = 0; r < (size_t)rows; r++, y += W->rows) {
        const real *in = p->in + r * (size_t)W->cols;
        const uint32_t *at = z->row + r * (size_t)W->cols;
        if (W->dtype == WKV_DTYPE_F16)
            k->gemv_at_f16(y, group, in, at, z->count[r], n_out, p->accumulate);
        else if (W->dtype == WKV_DTYPE_BF16)
            k->gemv_at_bf16(y, group, in, at, z->count[r], n_out, p->accumulate);
        else
            k->gemv_at(y, group, in, at, z->count[r], n_out, p->accumulate);
    }
}

void wkv_columns_multiply(const wkv_kern *k, const wkv_product *p, const wkv_nonzeros *z, real *y,
                          const unsigned char *groups, size_t n_out, int rows)
{
    const size_t bytes =
        (size_t)p->W->cols * WKV_COLUMNS * (size_t)wkv_dtype_of(p->W->dtype)->bytes;
    for (size_t o = 0; o < n_out; o += WKV_COLUMNS, groups += bytes) {
        const size_t left = n_out - o;
        multiply_group(k, p, z, y + o, groups, (int)(left < WKV_COLUMNS ? left : WKV_COLUMNS),
                       rows);
    }
}
