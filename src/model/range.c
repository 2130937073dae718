/* model/range.c - see range.h.  Smallest, largest and counts do not depend on the order in
 * which threads come to them. */
#include "model/range.h"

#include <math.h>
#include <string.h>

#include "os/os.h"
#include "os/team.h"

enum {
    PIECE = 1 << 13, /* a multiple of every block */
    PARTS = 16       /* for threads to share; each has its result, which are joined in order */
};

_Static_assert(sizeof((wkv_file_tensor *)0)->dim / sizeof(int64_t) == WKV_MAX_DIMS,
               "the public struct has room for every tensor's dimensions");

void wkv_tensor_show(wkv_file_tensor *out, const wkv_tensor *t)
{
    *out = (wkv_file_tensor){
        .name = t->name,
        .dtype = wkv_dtype_of(t->dtype)->name,
        .ndim = t->ndim,
    };
    memcpy(out->dim, t->dim, (size_t)t->ndim * sizeof out->dim[0]);
}

static wkv_file_range empty(void)
{
    return (wkv_file_range){.min = INFINITY, .max = -INFINITY};
}

static void join(wkv_file_range *to, const wkv_file_range *r)
{
    to->min = r->min < to->min ? r->min : to->min;
    to->max = r->max > to->max ? r->max : to->max;
    to->nans += r->nans;
    to->infinities += r->infinities;
}

static void look_at_doubles(wkv_file_range *r, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(v[i])) {
            r->nans++;
        } else if (isinf(v[i])) {
            r->infinities++;
        } else {
            r->min = v[i] < r->min ? v[i] : r->min;
            r->max = v[i] > r->max ? v[i] : r->max;
        }
    }
}

/* The sum of v * 0 is 0 unless there is something special, which is then counted: sums and
 * comparisons without branches are what the compiler makes vectors of. */
static void look_at_floats(wkv_file_range *r, const float *v, size_t n)
{
    enum { LANES = 16 };
    float low[LANES], high[LANES], odd[LANES];
    for (int j = 0; j < LANES; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
        odd[j] = 0;
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            const float x = v[i + (size_t)j];
            low[j] = x < low[j] ? x : low[j];
            high[j] = x > high[j] ? x : high[j];
            odd[j] += x * 0.0f;
        }
    }
    bool special = false;
    for (int j = 0; j < LANES; j++)
        special = special || odd[j] != 0.0f; /* a NaN is unequal to everything */
    for (int j = 0; j < LANES && !special; j++) {
        r->min = (double)low[j] < r->min ? (double)low[j] : r->min;
        r->max = (double)high[j] > r->max ? (double)high[j] : r->max;
    }
    for (i = special ? 0 : i; i < n; i++) {
        const double one = (double)v[i];
        look_at_doubles(r, &one, 1);
    }
}

static wkv_file_range look_at_piece(const wkv_tensor *t, int64_t first, int64_t n)
{
    wkv_file_range r = empty();
    union {
        float narrow[PIECE];
        double wide[PIECE];
    } v;
    const bool wide = t->dtype == WKV_DTYPE_F64;
    wkv_tensor_read(&v, t, wide ? WKV_DTYPE_F64 : WKV_DTYPE_F32, first, n);
    if (wide)
        look_at_doubles(&r, v.wide, (size_t)n);
    else
        look_at_floats(&r, v.narrow, (size_t)n);
    return r;
}

/* Pieces [first, end) of t. */
static wkv_file_range look_at_pieces(const wkv_tensor *t, int64_t first, int64_t end)
{
    const int64_t count = wkv_tensor_count(t);
    wkv_file_range all = empty();
    for (int64_t i = first; i < end; i++) {
        const int64_t at = i * PIECE, left = count - at;
        const wkv_file_range r = look_at_piece(t, at, left < PIECE ? left : PIECE);
        join(&all, &r);
    }
    return all;
}

typedef struct looking {
    const wkv_tensor *t;
    int64_t pieces;
    wkv_file_range part[PARTS];
} looking;

static void look_at_part(void *ctx, int p)
{
    looking *k = ctx;
    k->part[p] = look_at_pieces(k->t, k->pieces * p / PARTS, k->pieces * (p + 1) / PARTS);
}

void wkv_tensor_range(wkv_file_range *out, const wkv_tensor *t)
{
    looking k = {.t = t, .pieces = (wkv_tensor_count(t) + PIECE - 1) / PIECE};
    wkv_team_once(k.pieces > PARTS ? wkv_cpu_count() : 1, look_at_part, &k, PARTS);
    *out = empty();
    for (int p = 0; p < PARTS; p++)
        join(out, &k.part[p]);
    if (out->min > out->max)
        out->min = out->max = 0;
}
