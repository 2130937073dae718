/* tests/arch/net.h - a small model in memory with random weights, its batch, and a
 * weighted sum of everything it puts out, so that one number depends on all of it. */
#ifndef WKV_TESTS_ARCH_NET_H
#define WKV_TESTS_ARCH_NET_H

#include "arch/arch.h"

enum { NET_MAX_SEQS = 4 };

typedef struct net {
    wkv_config cfg;
    wkv_dev *dev;
    bool *present;
    size_t n_params; /* reals in flat */
    real *flat, *grad;
    wkv_weights weights;
    wkv_lora *changes; /* of every matrix, or NULL; their factors are in flat too */

    wkv_seqs seqs;
    int32_t start[NET_MAX_SEQS + 1];
    int32_t *ids;
    size_t state_size;
    bool fresh;                 /* these are those of the model: not random */
    real *state0[NET_MAX_SEQS]; /* the initial states */
    real *state[NET_MAX_SEQS];  /* the states after net_forward */
    real *dstate[NET_MAX_SEQS]; /* after net_backward: gradients of the initial states */
    real *logits;               /* (rows, V) */
    real *out_weight;           /* (rows, V): the sum's coefficients */
    real *state_weight[NET_MAX_SEQS];
    void *saved;
    wkv_recompute recompute; /* of net_backward */
    bool bf16;               /* its activations wait as bf16 */
    wkv_arena tape, wide, scratch;
    size_t tape_size, wide_size, scratch_size; /* of the last run */
} net;

/* lengths: n sequence lengths.  optional: head.bias present, ln0 absent, token shift where that is
 * open, the rare way round; with random_state the initial states are those after other
 * tokens. */
void net_init(net *n, const wkv_arch *arch, int layers, int width, int head_size, int vocab,
              const int *lengths, int n_seqs, bool optional, bool random_state, int threads);
void net_deinit(net *n);

/* Puts a low-rank change on every matrix and freezes the matrices. */
void net_add_changes(net *n, int rank);

/* Runs the whole batch from state0; fills logits and state.  With a tape when train. */
void net_forward(net *n, bool train);
/* sum(out_weight * logits) + sum(state_weight * state) of the last forward, in double. */
double net_sum(const net *n);
/* After net_forward(train): fills grad and dstate with the gradient of net_sum. */
void net_backward(net *n);

#endif
