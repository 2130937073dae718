/* dev/dev.h - tensor operations: what an architecture's forward and backward are made of.
 *
 * A device is one table of operations, one line each in ops.def.  The CPU's split the
 * work over the thread team by output rows, columns or heads, so that no result depends
 * on how many threads there are.
 *
 * Every op takes the execution context first.  What scratch it needs comes from the
 * context's arena and is given back on return; when that arena only measures, the op
 * allocates, computes nothing and returns: running a pass so finds the memory it needs.
 *
 * Gradient rule: parameters +=, activations =, the residual stream += (said where so). */
#ifndef WKV_DEV_DEV_H
#define WKV_DEV_DEV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/real.h"
#include "kern/kern.h"

/* A parameter as an op sees it.
 * A vector has rows = 1, cols = its length, and is always of type real.
 * A matrix holds rows x cols of dtype; y = x W^T (rows = outputs, cols = inputs), or,
 * when in_out, y = x W (rows = inputs, cols = outputs). */
struct wkv_lora;
typedef struct wkv_weight {
    const void *data; /* NULL: the model has no such (optional) parameter */
    real *grad;       /* same number of elements; NULL: frozen, no gradient is computed */
    wkv_dtype dtype;
    bool in_out;
    bool sparse_in; /* most of what it is multiplied with is exactly zero */
    bool low_rank;  /* a factor of a product with few inputs or outputs */
    int rows, cols;
    unsigned char *packed; /* the same weights as the device wants them (dev.pack) */
    atomic_uchar *marks;   /* of each unit of these: whether it lies there yet */
    wkv_layout layout;     /* how these lie; NONE: data is used as it is */
    const struct wkv_lora *lora; /* a change of an (out, in) matrix, or NULL */
} wkv_weight;

static inline int wkv_weight_inputs(const wkv_weight *W)
{
    return W->in_out ? W->rows : W->cols;
}

static inline int wkv_weight_outputs(const wkv_weight *W)
{
    return W->in_out ? W->cols : W->rows;
}

/* Of a row as it is stored. */
static inline size_t wkv_weight_row_bytes(const wkv_weight *W)
{
    const wkv_dtype_info *t = wkv_dtype_of(W->dtype);
    return (size_t)W->cols / (size_t)t->block * (size_t)t->bytes;
}

/* A low-rank change: every product with W is one with W + scale B A, which is never formed.
 * Both factors are of type real. */
typedef struct wkv_lora {
    wkv_weight A; /* (rank, inputs) */
    wkv_weight B; /* (outputs, rank) */
    real scale;
} wkv_lora;

/* One of several products that are computed together: y (rows, outputs) = or += in (rows,
 * inputs) times W.  No product's y is another's in. */
typedef struct wkv_product {
    real *y;
    const real *in;
    const wkv_weight *W;
    bool accumulate;
} wkv_product;

enum { WKV_MAX_PRODUCTS = 8 };

/* A vector parameter's values. */
static inline const real *wkv_vec(const wkv_weight *w)
{
    return (const real *)w->data;
}

/* The sequences of a batch: sequence b is rows start[b] .. start[b + 1] - 1 of every
 * activation.  Lengths may differ; each is >= 1. */
typedef struct wkv_seqs {
    int n;
    const int32_t *start; /* n + 1 */
} wkv_seqs;

static inline int wkv_seqs_rows(const wkv_seqs *q)
{
    return q->start[q->n];
}

/* One layer's part of the state of each sequence: state[b] + offset.  For gradients the
 * same with dstate; state is NULL where no gradient comes in and none is wanted. */
typedef struct wkv_slot {
    real *const *state;
    size_t offset;
} wkv_slot;

/* Reals of `keep` that wkv7 fills for its backward pass: a state every WKV_WKV7_CHUNK
 * steps of each sequence and head. */
static inline size_t wkv_wkv7_keep_size(const wkv_seqs *q, int H, int N)
{
    size_t chunks = 0;
    for (int b = 0; b < q->n; b++)
        chunks += (size_t)((q->start[b + 1] - q->start[b] + WKV_WKV7_CHUNK - 1) / WKV_WKV7_CHUNK);
    return chunks * (size_t)H * (size_t)N * (size_t)N;
}

typedef enum wkv_act_kind { WKV_ACT_TANH, WKV_ACT_SIGMOID, WKV_ACT_RELU2 } wkv_act_kind;

/* What RWKV-5 and 6 make of a parameter of each head: the value itself, e^v (an older
 * bonus), or the decay exp(-e^v). */
typedef enum wkv_head_fn { WKV_HEAD_RAW, WKV_HEAD_EXP, WKV_HEAD_DECAY } wkv_head_fn;

/* The inputs of AFT over a batch: k, v (rows, C) in H heads, each with its biases: (rows, H,
 * window), or (H, window) for all rows alike; NULL without a window. */
typedef struct wkv_aft {
    const real *k, *v, *bias;
    const int32_t *start; /* as aft_place left it */
    int C, H, window;
    bool bias_rows, by_place; /* by_place: as in wkv_aft_in */
} wkv_aft;

typedef struct wkv_dev wkv_dev;

/* Up to so many rows, products take row by row of themselves. */
enum { WKV_FEW_ROWS = 4 };

/* The context of a pass. */
typedef struct wkv_exec {
    const wkv_dev *dev;
    wkv_arena *scratch;
    bool row_by_row; /* each row is to have the bits that it has alone */
    uint64_t *unread; /* NULL, or counts bytes of weights that products had no need to read */
} wkv_exec;

static inline bool wkv_exec_measuring(const wkv_exec *x)
{
    return x->scratch->base == NULL;
}

/* The inputs and outputs of the RWKV-7 row-wise ops are the kernels' own structs, with
 * parameters as weights so that frozen ones are skipped. */
typedef struct wkv_rwkv7_prep_weights {
    const wkv_weight *w0, *a0, *v0, *k_k, *k_a;
} wkv_rwkv7_prep_weights;

typedef struct wkv_rwkv7_out_weights {
    const wkv_weight *ln_w, *ln_b, *r_k;
} wkv_rwkv7_out_weights;

struct wkv_dev {
    const char *name;
    int threads;
    struct wkv_team *team; /* of so many */
    const wkv_kern *kern;
#define OP(name, args, call) void(*name) args;
#include "dev/ops.def"
#undef OP
    /* Sums and losses go back to the host as doubles, added in a fixed order. */
    double (*sumsq)(wkv_exec *x, const real *v, size_t n);
    /* Bytes that a matrix takes in the layout products want; 0: they take it as it is.  And
     * the units that are packed apart. */
    size_t (*packed_size)(const wkv_weight *W);
    size_t (*packed_units)(const wkv_weight *W);
    /* Readies memory that packed matrices are about to fill. */
    void (*ready)(void *to, size_t bytes);
    /* Lets products pack the matrix into as many bytes, 64-byte aligned, when they meet it
     * again; marks: as many as units, all 0.  Both, and W->data, must outlive W. */
    void (*pack)(wkv_weight *W, unsigned char *to, atomic_uchar *marks);
};

/* A device like d on which only cheap operations do something: again.c.  It works as long as d
 * is open and needs no closing. */
wkv_dev wkv_dev_again(const wkv_dev *d);

/* The processor, with the best kernels it can run.  threads 0: all it may use.  The
 * device is owned by the caller and released with wkv_dev_close. */
wkv_status wkv_dev_open_cpu(wkv_dev **out, int threads, wkv_error *err);
/* The same at a chosen level, for tests. */
wkv_status wkv_dev_open_cpu_level(wkv_dev **out, int threads, wkv_cpu_level level, wkv_error *err);
void wkv_dev_close(wkv_dev **d);

#endif
