/* tests/ops/ops.h - one op under test: its inputs, its outputs, how to run it forward and
 * backward.  The driver does the rest, the same way for every op and every device: its
 * gradients against finite differences (in the double build), and every level of the
 * processor, and both thread counts, against the reference kernels on one thread. */
#ifndef WKV_TESTS_OPS_OPS_H
#define WKV_TESTS_OPS_OPS_H

#include "test.h"

#include "base/rng.h"
#include "dev/dev.h"

enum { MAX_ARRAYS = 20, MAX_SEQS = 4 };

/* An array that an op reads or writes.  d: of an input, the gradient that the backward
 * pass computes; of an output, the one it is given. */
typedef struct array {
    const char *name;
    real *v, *d;
    size_t n;
} array;

typedef struct op_case op_case;
struct op_case {
    array in[MAX_ARRAYS], out[MAX_ARRAYS];
    int n_in, n_out;
    void (*forward)(wkv_exec *x, op_case *c);
    void (*backward)(wkv_exec *x, op_case *c); /* NULL: none */

    const char *name;
    int rows, C, N, variant;
    wkv_seqs seqs;
    int32_t start[MAX_SEQS + 1];
    int32_t *ids;
    real *keep; /* what forward leaves for backward, besides its outputs */
    wkv_rng rng;
};

/* A case over `rows` rows in n_seqs sequences of different lengths. */
void case_init(op_case *c, const char *name, int rows, int C, int n_seqs);

/* Adds an input of n values, `scale` times standard normal; an output of n values; room
 * for n values that forward keeps. */
array *case_in(op_case *c, const char *name, size_t n, double scale);
array *case_out(op_case *c, const char *name, size_t n);
void case_keep(op_case *c, size_t n);

/* A parameter made of an input: its gradient is added to the input's. */
wkv_weight case_vec(const array *a);
wkv_weight case_mat(const array *a, int rows, int cols, bool in_out);

/* State that an op advances in place: input i holds the first states, output o the final
 * ones.  The slot points at the output, filled with the first states; the gradient's slot
 * at the input's gradient, filled with that of the final states. */
typedef struct case_slot {
    real *at[MAX_SEQS];
    wkv_slot slot;
} case_slot;
void case_slot_forward(case_slot *s, const op_case *c, int i, int o);
void case_slot_backward(case_slot *s, const op_case *c, int i, int o);

/* Runs all comparisons on the case and frees it. */
void case_run(op_case *c);
void case_free(op_case *c);

/* The checks, by the file that holds them. */
void check_embed(void **state);
void check_layernorm(void **state);
void check_elementwise(void **state);
void check_bias(void **state);
void check_softmax_ce(void **state);
void check_adamw(void **state);
void check_sumsq(void **state);
void check_matmul(void **state);
void check_products(void **state);
void check_sparse(void **state);
void check_shift_mix(void **state);
void check_wkv4(void **state);
void check_wkv6(void **state);
void check_aft(void **state);
void check_aft_place(void **state);
void check_aft_kernel(void **state);
void check_head_vec(void **state);
void check_decay(void **state);
void check_gn_gate(void **state);
void check_matmul_grouped(void **state);
void check_shift_lerp(void **state);
void check_wkv7(void **state);
void check_rwkv7_prep(void **state);
void check_rwkv7_out(void **state);

#endif
