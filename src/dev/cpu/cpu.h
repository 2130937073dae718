/* dev/cpu/cpu.h - how the CPU's operations share their work out.
 *
 * An op cuts its rows, columns, heads or blocks into parts, one for each thread of the device's
 * team, or lets the threads take pieces as they come; what is called for each calls kernels
 * whose results do not depend on the cut, so that one thread and many give the same bits. */
#ifndef WKV_DEV_CPU_CPU_H
#define WKV_DEV_CPU_CPU_H

#include "dev/dev.h"

/* Columns of a column-split op start at multiples of this. */
enum { WKV_COLUMN_GRAIN = 16 };

/* Pieces begin to begin + n - 1 of some work, for one thread: the part-th of the team. */
typedef struct wkv_span {
    size_t begin, n;
    int part;
} wkv_span;

typedef void wkv_cpu_fn(const wkv_kern *k, const void *ctx, wkv_span s);

/* All call fn for all n pieces, which take some `steps` elementary steps together: not so many
 * threads that waking them costs more than it saves.  Spans begin at multiples of grain. */
/* One span for each thread, all of about one size. */
void wkv_cpu_cut(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                 size_t steps);
/* Spans of `grain` pieces, as threads come for them: not in their order. */
void wkv_cpu_share(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t grain,
                   size_t steps);

/* In order, runs of up to `most` pieces while many are left: for what is faster in long runs. */
void wkv_cpu_share_runs(const wkv_exec *x, wkv_cpu_fn *fn, const void *ctx, size_t n, size_t most,
                        size_t steps);

/* The ops, one prototype each. */
#define OP(name, args, call) void wkv_cpu_##name args;
#include "dev/ops.def"
#undef OP
double wkv_cpu_sumsq(wkv_exec *x, const real *v, size_t n);
/* v *= s, on the calling thread: for what is small. */
void wkv_cpu_scale(const wkv_exec *x, real *v, size_t n, real s);
size_t wkv_cpu_packed_size(const wkv_weight *W);
size_t wkv_cpu_packed_units(const wkv_weight *W);
void wkv_cpu_pack(wkv_weight *W, unsigned char *to, atomic_uchar *marks);

/* Bytes of room that wkv_cpu_packed takes. */
size_t wkv_cpu_pack_room(const wkv_weight *W);
/* From `begin` on, at most *n of the outputs of a packed matrix, *n becoming how many lie
 * together where it says: in their place, or a unit of them packed into room. */
const unsigned char *wkv_cpu_packed(const wkv_kern *k, const wkv_weight *W, size_t begin, size_t *n,
                                    unsigned char *room);

#endif
