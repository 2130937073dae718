/* model/cut_off.c - see cut_off.h.
 *
 * Weights are counted into buckets by the leading bits of their representation, which ascend
 * with them.  The buckets' sums say in which one the cut lies, and only there are weights compared
 * with each other: linear in their number however alike they are, and nothing is sorted. */
#include "model/cut_off.h"

#include <string.h>

/* A bucket holds the weights whose bits differ in the lowest SHIFT alone: 32 buckets from a power
 * of two to the next, down to 2^-64, and what is lighter in the last. */
enum { BUCKETS = 2048, SHIFT = 47 };

/* The heaviest come first. */
static uint32_t bucket_of(double weight)
{
    const double one = 1.0;
    uint64_t most, bits;
    memcpy(&most, &one, sizeof most);
    memcpy(&bits, &weight, sizeof bits);
    const uint64_t b = (most - bits) >> SHIFT;
    return b < BUCKETS ? (uint32_t)b : BUCKETS - 1;
}

static double median(double a, double b, double c)
{
    const double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static void swap(double *a, double *b)
{
    const double t = *a;
    *a = *b;
    *b = t;
}

/* A list cut in three: first what is heavier than the pivot, then what is equal. */
typedef struct parts {
    double pivot, mass; /* of the heavier */
    int32_t heavier, equal;
} parts;

static parts partition(double *w, int32_t n)
{
    parts p = {.pivot = median(w[0], w[n / 2], w[n - 1])};
    int32_t lighter = n;
    for (int32_t i = 0; i < lighter;) {
        if (w[i] > p.pivot) {
            p.mass += w[i];
            swap(&w[i++], &w[p.heavier++]);
        } else if (w[i] < p.pivot) {
            swap(&w[i], &w[--lighter]);
        } else {
            i++;
        }
    }
    p.equal = lighter - p.heavier;
    return p;
}

/* The cut-off among the n >= 1 weights of the bucket that it lies in; the heavier buckets weigh
 * `kept`, and `limit` more may be.  Where this sum's rounding leaves it below the goal, it is the
 * lightest. */
static double cut_within(double *w, int32_t n, double kept, double goal, int32_t limit)
{
    for (;;) {
        const parts p = partition(w, n);
        if (p.heavier > 0 && (kept + p.mass >= goal || p.heavier >= limit)) {
            n = p.heavier;
            continue;
        }
        const int32_t done = p.heavier + p.equal;
        kept += p.mass + p.equal * p.pivot;
        limit -= done;
        if (kept >= goal || limit <= 0 || done == n)
            return p.pivot;
        w += done;
        n -= done;
    }
}

double wkv_cut_off(double *room, const double *weight, const int32_t *at, int32_t n, double goal,
                   int32_t limit)
{
    double mass[BUCKETS] = {0};
    int32_t count[BUCKETS] = {0};
    for (int32_t i = 0; i < n; i++) {
        const uint32_t b = bucket_of(weight[at[i]]);
        mass[b] += weight[at[i]];
        count[b]++;
    }
    double kept = 0.0;
    uint32_t cut = 0;
    while (kept + mass[cut] < goal && count[cut] < limit) {
        kept += mass[cut];
        limit -= count[cut++];
    }
    int32_t own = 0;
    for (int32_t i = 0; own < count[cut]; i++) { /* no branch: nobody foresees it */
        room[own] = weight[at[i]];
        own += bucket_of(weight[at[i]]) == cut;
    }
    return cut_within(room, own, kept, goal, limit);
}
