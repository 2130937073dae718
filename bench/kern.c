/* bench/kern.c - how fast each kernel is at each level: from kern.def, so that a kernel
 * without a benchmark does not link.
 *
 *   bench_kern [part of a name]
 *
 * Each kernel runs on a size that a model of width 768 gives it and whose data stays in
 * the second-level cache, except where memory is the point (gemv).  Printed: time of one
 * call, best of several; bytes or operations a second; how much faster than the
 * reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kern/kern.h"
#include "os/os.h"

enum { C = 768, N = 64, H = C / N, ROWS = 16, ALL = ROWS * C, T = 64, MIXES = 6, V = 65536 };
enum { GEMV_ROWS = 4096, GEMV_COLS = 4096, GEMM = 256, QROWS = 32 };

/* What one call moves or computes: how its speed is reported. */
typedef struct work {
    double bytes, flops;
} work;

/* Arrays to work on, made once; a kernel takes as many as it needs. */
enum { ARRAYS = 24 };
static real *array[ARRAYS];
static real *big;             /* GEMV_ROWS x GEMV_COLS */
static uint16_t *half_of_big; /* the same in 16 bits: normal numbers as f16 and as bf16 */
static real *scratch;
static unsigned char *panels; /* GEMV_ROWS x GEMV_COLS in any layout: scales of one */
static wkv_qrows qrows;       /* QROWS of GEMV_COLS */
static wkv_quads quads;       /* of the first */

static real *filled(size_t n, double lo, double hi)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 3);
    real *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64); /* as activations are */
    if (p == NULL) {
        fputs("bench_kern: out of memory\n", stderr);
        exit(1);
    }
    for (size_t i = 0; i < n; i++)
        p[i] = (real)(lo + (hi - lo) * wkv_rng_uniform(&rng));
    return p;
}

static uint16_t *filled_halves(size_t n)
{
    uint16_t *p = (uint16_t *)filled(n / (sizeof(real) / sizeof *p), 0, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint16_t)(0x3c00 + i % 0x200);
    return p;
}

static void make_qrows(void)
{
    qrows = wkv_qrows_in(filled(wkv_qrows_bytes(QROWS, GEMV_COLS) / sizeof(real), 0, 0), QROWS,
                         GEMV_COLS);
    wkv_quant_span(wkv_kern_for(WKV_CPU_REF), &qrows, big, GEMV_COLS, 0, (size_t)QROWS * GEMV_COLS);
    quads = (wkv_quads){malloc(wkv_quads_most(GEMV_COLS) * sizeof(wkv_quad)),
                        malloc(GEMV_COLS / 16 * sizeof(uint32_t))};
    wkv_quads_find(&quads, qrows.q, GEMV_COLS, WKV_LAYOUT_Q8);
}

static void make_arrays(void)
{
    for (int i = 0; i < ARRAYS; i++)
        array[i] = filled(V, 0.05, 0.5); /* V is the longest row; within any kernel's range */
    big = filled((size_t)GEMV_ROWS * GEMV_COLS, 0.05, 0.5);
    half_of_big = filled_halves((size_t)GEMV_ROWS * GEMV_COLS);
    panels = (unsigned char *)filled_halves((size_t)GEMV_ROWS * GEMV_COLS);
    make_qrows();
    scratch = filled(WKV_WKV7_SCRATCH(N) + (size_t)3 * T * C, 0, 1);
}

/* ---- one call of each kernel ----------------------------------------------------------------- */

#define BENCH(name) static work bench_##name(const wkv_kern *k)

static work moved(double arrays, double n)
{
    return (work){arrays * n * sizeof(real), 0};
}

static work computed(double flops)
{
    return (work){0, flops};
}

#define UNARY(name) \
    BENCH(name) \
    { \
        (k->name)(array[0], array[1], ALL); \
        return moved(2, ALL); \
    }
#define BINARY(name) \
    BENCH(name) \
    { \
        (k->name)(array[0], array[1], array[2], ALL); \
        return moved(3, ALL); \
    }

UNARY(exp)
UNARY(tanh)
UNARY(sigmoid)
UNARY(relu2)
BINARY(tanh_bwd)
BINARY(sigmoid_bwd)
BINARY(relu2_bwd)
BINARY(gate)

BENCH(add)
{
    memset(array[0], 0, ALL * sizeof(real));
    k->add(array[0], array[1], ALL);
    return moved(4, ALL);
}

BENCH(gate_bwd)
{
    k->gate_bwd(array[0], array[1], array[2], array[3], array[4], ALL);
    return moved(5, ALL);
}

BENCH(to_bf16)
{
    k->to_bf16((uint16_t *)(void *)array[0], array[1], ALL);
    return (work){.bytes = ALL * (sizeof(real) + sizeof(uint16_t))};
}

BENCH(from_bf16)
{
    k->from_bf16(array[0], half_of_big, ALL);
    return (work){.bytes = ALL * (sizeof(real) + sizeof(uint16_t))};
}

BENCH(from_f16)
{
    k->from_f16(array[0], half_of_big, ALL);
    return (work){.bytes = ALL * (sizeof(real) + sizeof(uint16_t))};
}

BENCH(layernorm)
{
    k->layernorm(array[0], array[1], array[2], array[3], array[4], ROWS, C, (real)1e-5);
    return moved(2, ALL);
}

BENCH(layernorm_bwd)
{
    memset(array[0], 0, ALL * sizeof(real));
    k->layernorm_bwd(array[0], array[1], array[2], array[3], array[4], ROWS, C);
    return moved(4, ALL);
}

BENCH(layernorm_bwd_param)
{
    memset(array[0], 0, C * sizeof(real));
    memset(array[1], 0, C * sizeof(real));
    k->layernorm_bwd_param(array[0], array[1], array[2], array[3], array[4], ROWS, C, C);
    return moved(2, ALL);
}

BENCH(colsum)
{
    memset(array[0], 0, C * sizeof(real));
    k->colsum(array[0], array[1], ROWS, C, C);
    return moved(1, ALL);
}

BENCH(shift_mix)
{
    const real *const *mu = (const real *const *)&array[8];
    k->shift_mix(array, array[14], array[15], mu, MIXES, ROWS, C, WKV_SHIFT_PREVIOUS);
    return moved(1 + MIXES, ALL);
}

BENCH(shift_mix_bwd)
{
    const real *const *dy = (const real *const *)array, *const *mu = (const real *const *)&array[8];
    k->shift_mix_bwd(array[14], dy, mu, array[15], MIXES, ROWS, C, WKV_SHIFT_PREVIOUS);
    return moved(1 + MIXES, ALL);
}

BENCH(shift_mix_bwd_mu)
{
    const real *const *dy = (const real *const *)array;
    for (int j = 8; j < 8 + MIXES; j++)
        memset(array[j], 0, C * sizeof(real));
    k->shift_mix_bwd_mu(&array[8], dy, array[14], array[15], MIXES, ROWS, C, C, WKV_SHIFT_PREVIOUS);
    return moved(1 + MIXES, ALL);
}

enum { LERPS = 5 };

BENCH(shift_lerp)
{
    const real *const *mu = (const real *const *)&array[5];
    const real *const *delta = (const real *const *)&array[10];
    k->shift_lerp(array, array[15], array[16], mu, delta, LERPS, ROWS, C);
    return moved(1 + 2 * LERPS, ALL);
}

BENCH(shift_lerp_bwd)
{
    const real *const *dy = (const real *const *)&array[5];
    const real *const *mu = (const real *const *)&array[10];
    const real *const *delta = (const real *const *)&array[15];
    k->shift_lerp_bwd(array[20], array, dy, array[21], array[22], mu, delta, array[23], LERPS, ROWS,
                      C);
    return moved(2 + 3 * LERPS, ALL);
}

/* A window of 32 at its fullest: half as many steps, so that what is kept fits. */
enum { AFT_T = T / 2, AFT_WINDOW = 32 };

static wkv_aft_in aft_inputs(void)
{
    return (wkv_aft_in){.k = array[2],
                        .v = array[3],
                        .bias = array[4],
                        .T = AFT_T,
                        .stride = C,
                        .bias_stride = AFT_WINDOW,
                        .window = AFT_WINDOW,
                        .position = 1000};
}

static wkv_aft_grad aft_gradients(void)
{
    return (wkv_aft_grad){array[0], array[6],  array[7],  array[8],
                          array[9], array[10], array[11], AFT_WINDOW};
}

BENCH(aft)
{
    wkv_aft_in in = aft_inputs();
    k->aft(array[0], array[6], array[1], C, &in, C);
    return moved(3, AFT_T * C);
}

BENCH(aft_far_bwd)
{
    wkv_aft_in in = aft_inputs();
    wkv_aft_grad g = aft_gradients();
    memset(array[11], 0, 3 * C * sizeof(real));
    k->aft_far_bwd(&g, array[1], C, &in, C, scratch);
    return moved(6, AFT_T * C);
}

BENCH(aft_near_bwd)
{
    wkv_aft_in in = aft_inputs();
    wkv_aft_grad g = aft_gradients();
    k->aft_near_bwd(&g, array[1], C, &in, 0, AFT_T, C);
    return moved(6, AFT_T * C);
}

BENCH(wkv4)
{
    k->wkv4(array[0], array[1], C, array[2], array[3], array[4], array[5], T, C, C);
    return moved(3, T * C);
}

BENCH(wkv4_bwd)
{
    memset(array[4], 0, 3 * C * sizeof(real));
    k->wkv4_bwd(array[0], array[1], array[2], array[3], array[4], array[5], array[6], C, array[7],
                array[8], array[9], array[10], T, C, C, scratch);
    return moved(5, T * C);
}

/* One head; a is made to shrink the state, so that the numbers stay numbers. */
static wkv_wkv7_in head(void)
{
    static real *zero;
    if (zero == NULL)
        zero = filled((size_t)T * N, 0, 0);
    return (wkv_wkv7_in){array[2], array[3], array[4], array[5], zero, array[7], T, N, N};
}

BENCH(wkv7)
{
    wkv_wkv7_in in = head();
    k->wkv7(array[0], array[1], array[8], &in);
    return computed(2.0 * 5 * T * N * N);
}

BENCH(wkv7_bwd)
{
    wkv_wkv7_in in = head();
    wkv_wkv7_grad grad = {array[10], array[11], array[12], array[13], array[14], array[15]};
    k->wkv7_bwd(&grad, array[0], array[1], array[8], &in, scratch);
    return computed(2.0 * 15 * T * N * N);
}

/* One head of RWKV-6, whose decays are made to lie in (0, 1). */
static wkv_wkv6_in eagle_head(void)
{
    static real *decays;
    if (decays == NULL)
        decays = filled((size_t)T * N, 0.5, 0);
    return (wkv_wkv6_in){array[2], decays, array[3], array[4], array[5], T, N, N, N};
}

BENCH(wkv6)
{
    wkv_wkv6_in in = eagle_head();
    k->wkv6(array[0], array[1], array[8], &in);
    return computed(2.0 * 3 * T * N * N);
}

BENCH(wkv6_bwd)
{
    wkv_wkv6_in in = eagle_head();
    wkv_wkv6_grad grad = {array[10], array[11], array[12], array[13], array[14]};
    k->wkv6_bwd(&grad, array[0], array[1], array[8], &in, scratch);
    return computed(2.0 * 9 * T * N * N);
}

BENCH(decay)
{
    k->decay(array[0], array[1], array[2], ROWS, C);
    return moved(2, ALL);
}

BENCH(decay_bwd)
{
    k->decay_bwd(array[0], array[1], array[2], array[3], array[4], ROWS, C);
    return moved(4, ALL);
}

static wkv_gn_gate gate_out(void)
{
    real **a = array;
    return (wkv_gn_gate){a[0], a[1], a[2], a[3], a[4], a[5], (real)64e-5};
}

BENCH(gn_gate)
{
    wkv_gn_gate o = gate_out();
    k->gn_gate(&o, ROWS, C, N);
    return moved(3, ALL);
}

BENCH(gn_gate_bwd)
{
    wkv_gn_gate o = gate_out();
    real **a = array;
    wkv_gn_gate_grad g = {a[6], a[7], a[8], a[9], a[10]};
    k->gn_gate_bwd(&g, &o, ROWS, C, N);
    return moved(7, ALL);
}

static wkv_rwkv7_prep prep(void)
{
    real **a = array;
    return (wkv_rwkv7_prep){a[0], a[1], a[2],  a[3],  a[4],  a[5],  a[6],  a[7],
                            a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]};
}

BENCH(rwkv7_prep)
{
    wkv_rwkv7_prep p = prep();
    k->rwkv7_prep(&p, ROWS, C, N);
    return moved(11, ALL);
}

BENCH(rwkv7_prep_bwd)
{
    wkv_rwkv7_prep p = prep();
    real **a = array;
    wkv_rwkv7_prep_grad g = {a[11], a[12], a[13], a[14], a[15], a[16], a[17],
                             a[18], a[19], a[20], a[21], a[22], a[23]};
    memset(a[21], 0, ALL * sizeof(real));
    k->rwkv7_prep_bwd(&g, &p, ROWS, C, N);
    return moved(20, ALL);
}

static wkv_rwkv7_out out(void)
{
    real **a = array;
    return (wkv_rwkv7_out){a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], (real)64e-5};
}

BENCH(rwkv7_out)
{
    wkv_rwkv7_out o = out();
    k->rwkv7_out(&o, ROWS, C, N);
    return moved(6, ALL);
}

BENCH(rwkv7_out_bwd)
{
    wkv_rwkv7_out o = out();
    real **a = array;
    wkv_rwkv7_out_grad g = {a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17], a[18]};
    k->rwkv7_out_bwd(&g, &o, ROWS, C, N);
    return moved(14, ALL);
}

BENCH(gemv)
{
    k->gemv(array[0], big, array[1], GEMV_ROWS, GEMV_COLS);
    return moved(1, (double)GEMV_ROWS * GEMV_COLS);
}

/* A batch of QROWS rows, GEMM outputs. */
#define GEMV_ROWS_OF(name, weights) \
    BENCH(name) \
    { \
        k->name(array[0], GEMM, weights, big, QROWS, GEMM, GEMV_COLS / 4); \
        return computed(2.0 * QROWS * GEMM * GEMV_COLS / 4); \
    }

GEMV_ROWS_OF(gemv_rows, big)
GEMV_ROWS_OF(gemv_rows_f16, half_of_big)
GEMV_ROWS_OF(gemv_rows_bf16, half_of_big)

#define GEMV_ROWS_T_OF(name, weights) \
    BENCH(name) \
    { \
        k->name(array[0], GEMM, weights, big, QROWS, GEMV_COLS / 4, GEMM, GEMM); \
        return computed(2.0 * QROWS * GEMM * GEMV_COLS / 4); \
    }

GEMV_ROWS_T_OF(gemv_rows_t, big)
GEMV_ROWS_T_OF(gemv_rows_t_f16, half_of_big)
GEMV_ROWS_T_OF(gemv_rows_t_bf16, half_of_big)

static work halves_moved(void)
{
    return (work){(double)GEMV_ROWS * GEMV_COLS * sizeof(uint16_t), 0};
}

BENCH(gemv_f16)
{
    k->gemv_f16(array[0], half_of_big, array[1], GEMV_ROWS, GEMV_COLS);
    return halves_moved();
}

BENCH(gemv_bf16)
{
    k->gemv_bf16(array[0], half_of_big, array[1], GEMV_ROWS, GEMV_COLS);
    return halves_moved();
}

/* All inputs of a group; what zeros spare is not measured here. */
enum { GEMV_GROUP_ROWS = GEMV_ROWS * GEMV_COLS / WKV_COLUMNS };

#define GEMV_AT(name, weights) \
    BENCH(name) \
    { \
        static uint32_t at[GEMV_GROUP_ROWS]; \
        for (uint32_t i = 0; at[1] == 0 && i < GEMV_GROUP_ROWS; i++) \
            at[i] = i; \
        k->name(array[0], weights, big, at, GEMV_GROUP_ROWS, WKV_COLUMNS, false); \
        return (work){(double)GEMV_ROWS * GEMV_COLS * sizeof *weights, 0}; \
    }

GEMV_AT(gemv_at, big)
GEMV_AT(gemv_at_f16, half_of_big)
GEMV_AT(gemv_at_bf16, half_of_big)

BENCH(gemv_t)
{
    k->gemv_t(array[0], big, array[1], GEMV_ROWS, GEMV_COLS, GEMV_COLS);
    return moved(1, (double)GEMV_ROWS * GEMV_COLS);
}

/* y = x W^T, as a linear layer asks for it. */
static work multiply(__typeof__(((wkv_kern *)0)->gemm) gemm, size_t room_size)
{
    static void *room; /* made before the best of several calls */
    static size_t have;
    if (have <= room_size) {
        free(room);
        have = room_size + 1;
        room = malloc(have);
    }
    if (room == NULL)
        exit(1);
    gemm(array[0], array[1], array[2], GEMM, GEMM, GEMM, GEMM, GEMM, GEMM, false, true, false,
         room);
    return computed(2.0 * GEMM * GEMM * GEMM);
}

BENCH(gemm)
{
    return multiply(k->gemm, k->gemm_room);
}

BENCH(gemm_split)
{
    return multiply(k->gemm_split, k->split_room);
}

BENCH(softmax_ce)
{
    k->softmax_ce(array[0], V, 3, 1, (real)1e-4);
    return moved(2, V);
}

BENCH(cross_entropy)
{
    volatile double loss = k->cross_entropy(array[0], V, 3);
    (void)loss;
    return moved(1, V);
}

BENCH(adamw)
{
    wkv_adamw h = {(real)1e-3, (real)0.9, (real)0.99, (real)1e-18, 0, (real)0.1, (real)0.01, 1};
    k->adamw(array[0], array[1], array[2], array[3], ALL, &h);
    return moved(7, ALL);
}

BENCH(sumsq)
{
    volatile double sum = k->sumsq(array[0], V);
    (void)sum;
    return moved(1, V);
}

BENCH(quant_rows)
{
    k->quant_rows(&qrows, big, ALL);
    return (work){ALL * (sizeof(real) + 1.0), 0};
}

/* A batch of QROWS; for a single row memory is the limit, as gemv shows. */
#define QMUL(id, name, span, scales, block) \
    BENCH(qmul_##name) \
    { \
        k->qmul_##name(array[0], GEMM, &qrows, QROWS, panels, GEMM, GEMV_COLS, false); \
        return computed(2.0 * QROWS * GEMM * GEMV_COLS); \
    }
WKV_PANEL_LAYOUTS(QMUL)
#undef QMUL

BENCH(qmul_at)
{
    k->qmul_at(array[0], &qrows, &quads, panels, WKV_LAYOUT_Q8, GEMM, GEMV_COLS, false);
    return (work){(double)GEMM * GEMV_COLS, 0};
}

BENCH(qmul_groups)
{
    k->qmul_groups(array[0], GEMM, &qrows, QROWS, panels, WKV_LAYOUT_Q8, GEMM, GEMV_COLS, false,
                   half_of_big);
    return computed(2.0 * QROWS * GEMM * GEMV_COLS);
}

BENCH(byte_products)
{
    int32_t sum;
    return computed(k->byte_products(&sum, 1000));
}

/* A prompt of TILE_ROWS rows, GEMM inputs and outputs. */
enum { TILE_ROWS = 256 };

BENCH(tile_rows)
{
    k->tile_rows(half_of_big, big, TILE_ROWS, GEMM, 1);
    return (work){TILE_ROWS * GEMM * (sizeof(real) + 2.0), 0};
}

BENCH(tile_panel)
{
    k->tile_panel(half_of_big, panels, WKV_LAYOUT_Q8, GEMM, 0, GEMM / WKV_QBLOCK);
    return (work){3.0 * WKV_PANEL * GEMM, 0};
}

BENCH(tile_halves)
{
    const wkv_halves w = {half_of_big, GEMM, true, false};
    k->tile_halves((uint16_t *)(void *)panels, &w, WKV_PANEL, 0, GEMM / WKV_QBLOCK);
    return (work){6.0 * WKV_PANEL * GEMM, 0};
}

BENCH(tile_mul)
{
    const wkv_tile_factors f = {half_of_big, half_of_big, (size_t)WKV_TILE_ROWS * GEMM,
                                1,           1,           GEMM / WKV_QBLOCK};
    k->tile_mul(array[0], GEMM, &f, TILE_ROWS, GEMM, false);
    return computed(2.0 * TILE_ROWS * GEMM * GEMM);
}

BENCH(group_to_panels)
{
    k->group_to_panels((unsigned char *)half_of_big, panels, WKV_LAYOUT_Q8, GEMV_COLS);
    return (work){2.0 * WKV_GROUP * GEMV_COLS, 0};
}

BENCH(panels_to_group)
{
    k->panels_to_group((unsigned char *)half_of_big, panels, WKV_LAYOUT_Q8, GEMV_COLS);
    return (work){2.0 * WKV_GROUP * GEMV_COLS, 0};
}

/* ---- measuring
 * ----------------------------------------------------------------------------------- */

typedef struct entry {
    const char *name;
    work (*run)(const wkv_kern *k);
    size_t offset; /* of its pointer in wkv_kern */
} entry;

static const entry entries[] = {
#define KERN(name, ret, args) {#name, bench_##name, offsetof(wkv_kern, name)},
#include "kern/kern.def"
#undef KERN
};

/* Seconds of one call: the best of five rounds of some milliseconds each. */
static double seconds(const entry *e, const wkv_kern *k, work *w)
{
    double best = INFINITY;
    *w = e->run(k);
    for (int round = 0; round < 5; round++) {
        int calls = 0;
        double start = wkv_clock(), spent;
        do {
            e->run(k);
            calls++;
            spent = wkv_clock() - start;
        } while (spent < 0.004);
        best = fmin(best, spent / calls);
    }
    return best;
}

/* Does a level have a version of its own? */
static bool own(const entry *e, int level)
{
    const char *k = (const char *)wkv_kern_for((wkv_cpu_level)level);
    const char *below = (const char *)wkv_kern_for((wkv_cpu_level)(level - 1));
    return memcmp(k + e->offset, below + e->offset, sizeof(void (*)(void))) != 0;
}

static void measure(const entry *e)
{
    double ref = 0;
    for (int level = 0; level <= (int)wkv_cpu_detect(); level++) {
        work w;
        if (level > 0 && !own(e, level))
            continue;
        double s = seconds(e, wkv_kern_for((wkv_cpu_level)level), &w);
        ref = level == 0 ? s : ref;
        printf("%-20s %-7s %12.0f ns  %8.2f %s  %6.1fx\n", e->name,
               wkv_cpu_level_name((wkv_cpu_level)level), s * 1e9,
               (w.flops > 0 ? w.flops : w.bytes) / s * 1e-9, w.flops > 0 ? "GFLOP/s" : "GB/s   ",
               ref / s);
    }
}

int main(int argc, char **argv)
{
    make_arrays();
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (argc < 2 || strstr(entries[i].name, argv[1]) != NULL)
            measure(&entries[i]);
    return 0;
}
