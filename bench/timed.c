/* bench/timed.c - see timed.h.  ops.def makes a wrapper for each operation; the products
 * have wrappers of their own, which tell the shapes apart. */
#include "timed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

typedef struct entry {
    char name[48];
    double seconds, flops;
    int calls;
} entry;

enum { ENTRIES = 256 };
static entry entries[ENTRIES];
static const wkv_dev *real_dev;

/* The entry of this name, taken when there is none. */
static entry *entry_of(const char *name)
{
    int i = 0;
    while (i < ENTRIES - 1 && entries[i].name[0] != '\0' && strcmp(entries[i].name, name) != 0)
        i++;
    snprintf(entries[i].name, sizeof entries[i].name, "%s", name);
    return &entries[i];
}

static void count(const char *name, double start, double flops)
{
    double now = wkv_clock();
    entry *e = entry_of(name);
    e->seconds += now - start;
    e->flops += flops;
    e->calls++;
}

/* The context comes with the timed device; what is called sees the real one. */
#define OP(name, args, call) \
    static void timed_##name args \
    { \
        wkv_exec inner = {.dev = real_dev, .scratch = x->scratch}; \
        x = &inner; \
        double start = wkv_clock(); \
        real_dev->name call; \
        count(#name, start, 0); \
    }
#include "dev/ops.def"
#undef OP

static void count_product(const char *what, const wkv_weight *W, int rows, double start,
                          int products)
{
    char name[48];
    snprintf(name, sizeof name, "%s %dx%d%s, %d rows", what, W->rows, W->cols,
             W->in_out ? " in_out" : "", rows);
    count(name, start, products * 2.0 * rows * W->rows * W->cols);
}

static void product(wkv_exec *x, real *y, const real *in, const wkv_weight *W, int rows, bool add)
{
    wkv_exec inner = {.dev = real_dev, .scratch = x->scratch};
    double start = wkv_clock();
    real_dev->matmul(&inner, y, in, W, rows, add);
    count_product("matmul", W, rows, start, 1);
}

/* The two products of a backward pass are timed one by one. */
static void product_bwd(wkv_exec *x, real *din, const real *dy, const real *in, const wkv_weight *W,
                        int rows, bool add)
{
    wkv_exec inner = {.dev = real_dev, .scratch = x->scratch};
    wkv_weight frozen = *W;
    frozen.grad = NULL;
    double start = wkv_clock();
    real_dev->matmul_bwd(&inner, din, dy, in, &frozen, rows, add);
    count_product("matmul_bwd in", W, rows, start, din != NULL);
    start = wkv_clock();
    real_dev->matmul_bwd(&inner, NULL, dy, in, W, rows, add);
    count_product("matmul_bwd W", W, rows, start, W->grad != NULL);
}

static double timed_sumsq(wkv_exec *x, const real *v, size_t n)
{
    wkv_exec inner = {.dev = real_dev, .scratch = x->scratch};
    double start = wkv_clock();
    double sum = real_dev->sumsq(&inner, v, n);
    count("sumsq", start, 0);
    return sum;
}

wkv_dev wkv_timed_dev(const wkv_dev *dev)
{
    real_dev = dev;
    wkv_dev timed = *dev;
#define OP(name, args, call) timed.name = timed_##name;
#include "dev/ops.def"
#undef OP
    timed.matmul = product;
    timed.matmul_bwd = product_bwd;
    timed.sumsq = timed_sumsq;
    return timed;
}

void wkv_timed_reset(void)
{
    memset(entries, 0, sizeof entries);
}

static int by_time(const void *a, const void *b)
{
    double x = ((const entry *)a)->seconds, y = ((const entry *)b)->seconds;
    return (x < y) - (x > y);
}

void wkv_timed_print(int steps, double seconds)
{
    double other = seconds;
    qsort(entries, ENTRIES, sizeof entries[0], by_time);
    printf("%-44s %10s %7s %7s %9s\n", "operation", "ms/step", "calls", "share", "GFLOP/s");
    for (const entry *e = entries; e < entries + ENTRIES && e->calls > 0; e++) {
        other -= e->seconds;
        printf("%-44s %10.2f %7.0f %6.1f%%", e->name, 1e3 * e->seconds / steps,
               (double)e->calls / steps, 100 * e->seconds / seconds);
        if (e->flops > 0)
            printf(" %9.1f", 1e-9 * e->flops / e->seconds);
        putchar('\n');
    }
    printf("%-44s %10.2f %7s %6.1f%%\n", "all else", 1e3 * other / steps, "",
           100 * other / seconds);
}
