/* dev/cpu/cpu.h - how the CPU's operations share their work out.
 *
 * One OpenMP team, no second pool.  An op cuts its rows, columns, heads or blocks into
 * `parts`, one per thread; every part calls kernels whose results do not depend on the
 * cut, so that one thread and many give the same bits. */
#ifndef WKV_DEV_CPU_CPU_H
#define WKV_DEV_CPU_CPU_H

#include "dev/dev.h"

/* Columns of a column-split op start at multiples of this. */
enum { WKV_COLUMN_GRAIN = 16 };

/* Below this many elementary steps, waking the team costs more than it saves. */
enum { WKV_WORTH_A_THREAD = 1 << 14 };

typedef struct wkv_span {
    size_t begin, n;
} wkv_span;

/* Part i of [0, n) cut into `parts`, borders at multiples of grain. */
static inline wkv_span wkv_span_of(size_t n, int parts, int i, size_t grain)
{
    size_t grains = (n + grain - 1) / grain;
    size_t begin = grains * (size_t)i / (size_t)parts * grain;
    size_t end = grains * ((size_t)i + 1) / (size_t)parts * grain;
    if (end > n)
        end = n;
    return (wkv_span){begin, end > begin ? end - begin : 0};
}

/* How many parts n pieces of work, `steps` elementary steps in all, are cut into. */
static inline int wkv_cpu_parts(const wkv_exec *x, size_t n, size_t steps)
{
    size_t parts = steps / WKV_WORTH_A_THREAD + 1;
    if (parts > (size_t)x->dev->threads)
        parts = (size_t)x->dev->threads;
    if (parts > n)
        parts = n;
    return parts > 0 ? (int)parts : 1;
}

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
