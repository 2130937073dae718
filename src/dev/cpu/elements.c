/* dev/cpu/elements.c - operations on whole arrays, element by element: sums, activations, gates,
 * the optimiser's step. */
#include <string.h>

#include "dev/cpu/cpu.h"

/* Elements of a part come in multiples of this: whole lines of the cache. */
enum { GRAIN = 64 };

/* The arrays of an operation; most have fewer. */
typedef struct arrays {
    real *y, *y2, *y3;
    const real *a, *b, *c;
    float *float_y;
    uint16_t *narrow_y;
    const uint16_t *narrow_a;
    const wkv_adamw *step;
} arrays;

/* Makes of CALL, on the n elements from o on of the arrays in v, a part's work. */
#define PART(name, CALL) \
    static void name##_part(const wkv_kern *k, const void *ctx, wkv_span s) \
    { \
        const arrays *v = ctx; \
        const size_t o = s.begin, n = s.n; \
        (void)k; \
        CALL; \
    }

static void run(const wkv_exec *x, wkv_cpu_fn *part, const arrays *v, size_t n, size_t steps)
{
    if (!wkv_exec_measuring(x))
        wkv_cpu_cut(x, part, v, n, GRAIN, n * steps);
}

/* ---- copies and sums ------------------------------------------------------------------------- */

static void floats(float *y, const real *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)in[i];
}

PART(add, k->add(v->y + o, v->a + o, n))
PART(copy, memcpy(v->y + o, v->a + o, n * sizeof *v->y))
PART(zero, memset(v->y + o, 0, n * sizeof *v->y))
PART(to_bf16, k->to_bf16(v->narrow_y + o, v->a + o, n))
PART(to_f32, floats(v->float_y + o, v->a + o, n))
PART(from_bf16, k->from_bf16(v->y + o, v->narrow_a + o, n))

void wkv_cpu_add(wkv_exec *x, real *y, const real *in, size_t n)
{
    run(x, add_part, &(arrays){.y = y, .a = in}, n, 1);
}

void wkv_cpu_copy(wkv_exec *x, real *y, const real *in, size_t n)
{
    run(x, copy_part, &(arrays){.y = y, .a = in}, n, 1);
}

void wkv_cpu_zero(wkv_exec *x, real *y, size_t n)
{
    run(x, zero_part, &(arrays){.y = y}, n, 1);
}

void wkv_cpu_to_bf16(wkv_exec *x, uint16_t *y, const real *in, size_t n)
{
    run(x, to_bf16_part, &(arrays){.narrow_y = y, .a = in}, n, 1);
}

void wkv_cpu_to_f32(wkv_exec *x, float *y, const real *in, size_t n)
{
    run(x, to_f32_part, &(arrays){.float_y = y, .a = in}, n, 1);
}

void wkv_cpu_from_bf16(wkv_exec *x, real *y, const uint16_t *in, size_t n)
{
    run(x, from_bf16_part, &(arrays){.y = y, .narrow_a = in}, n, 1);
}

/* ---- activations and gates ------------------------------------------------------------------- */

PART(tanh, (k->tanh)(v->y + o, v->a + o, n))
PART(sigmoid, k->sigmoid(v->y + o, v->a + o, n))
PART(relu2, k->relu2(v->y + o, v->a + o, n))
PART(tanh_bwd, k->tanh_bwd(v->y + o, v->a + o, v->b + o, n))
PART(sigmoid_bwd, k->sigmoid_bwd(v->y + o, v->a + o, v->b + o, n))
PART(relu2_bwd, k->relu2_bwd(v->y + o, v->a + o, v->b + o, n))
PART(gate, k->gate(v->y + o, v->a + o, v->b + o, n))
PART(gate_bwd, k->gate_bwd(v->y + o, v->y2 + o, v->a + o, v->b + o, v->c + o, n))

void wkv_cpu_act(wkv_exec *x, real *y, const real *in, size_t n, wkv_act_kind kind)
{
    wkv_cpu_fn *part = kind == WKV_ACT_TANH      ? tanh_part
                       : kind == WKV_ACT_SIGMOID ? sigmoid_part
                                                 : relu2_part;
    run(x, part, &(arrays){.y = y, .a = in}, n, 4);
}

void wkv_cpu_act_bwd(wkv_exec *x, real *din, const real *dy, const real *saved, size_t n,
                     wkv_act_kind kind)
{
    wkv_cpu_fn *part = kind == WKV_ACT_TANH      ? tanh_bwd_part
                       : kind == WKV_ACT_SIGMOID ? sigmoid_bwd_part
                                                 : relu2_bwd_part;
    run(x, part, &(arrays){.y = din, .a = dy, .b = saved}, n, 1);
}

void wkv_cpu_gate(wkv_exec *x, real *y, const real *r, const real *in, size_t n)
{
    run(x, gate_part, &(arrays){.y = y, .a = r, .b = in}, n, 4);
}

void wkv_cpu_gate_bwd(wkv_exec *x, real *dr, real *din, const real *dy, const real *r,
                      const real *in, size_t n)
{
    run(x, gate_bwd_part, &(arrays){.y = dr, .y2 = din, .a = dy, .b = r, .c = in}, n, 4);
}

/* ---- the optimiser --------------------------------------------------------------------------- */

PART(adamw, k->adamw(v->y + o, v->y2 + o, v->y3 + o, v->a + o, n, v->step))

void wkv_cpu_adamw(wkv_exec *x, real *p, real *m, real *v, const real *g, size_t n,
                   const wkv_adamw *h)
{
    run(x, adamw_part, &(arrays){.y = p, .y2 = m, .y3 = v, .a = g, .step = h}, n, 4);
}
