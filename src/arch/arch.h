/* arch/arch.h - what a model version is: one table of parameters and a few functions.
 *
 * The table drives loading, validation, initialisation, optimiser groups, saving and
 * `wkv info`.  Dimensions are not configured but unified: the first tensor that mentions
 * a dimension binds it, every later one must agree.  Nobody outside a version's own
 * files may know its name: there is no enum of versions to switch on. */
#ifndef WKV_ARCH_ARCH_H
#define WKV_ARCH_ARCH_H

#include "base/rng.h"
#include "dev/dev.h"
#include "store/tensor.h"

/* ---- dimensions and configuration ------------------------------------------------- */

typedef enum wkv_dim {
    WKV_DIM_1 = 0, /* always 1 */
    WKV_DIM_V,     /* vocabulary */
    WKV_DIM_C,     /* width of the residual stream */
    WKV_DIM_A,     /* width of time mixing, H * N */
    WKV_DIM_H,     /* heads */
    WKV_DIM_N,     /* head size */
    WKV_DIM_F,     /* channel-mixing width */
    WKV_DIM_D,     /* decays a head has: N, or 1 for all of it (RWKV-5.0, 5.1) */
    WKV_DIM_RW,    /* low ranks: decay, in-context rate, value residual, gate */
    WKV_DIM_RA,
    WKV_DIM_RV,
    WKV_DIM_RG,
    WKV_DIM_RM, /* low rank of RWKV-6's mixes; how many mixes; ranks of all together */
    WKV_DIM_M,
    WKV_DIM_MRM,
    WKV_DIM_S,   /* tokens of a window (AFT) */
    WKV_DIM_POS,  /* positions that have parameters of their own: the length trained for */
    WKV_DIM_RP, /* low rank of the positions */
    WKV_DIM_COUNT
} wkv_dim;

typedef struct wkv_arch wkv_arch;

typedef struct wkv_config {
    const wkv_arch *arch;
    int layers;
    int dim[WKV_DIM_COUNT]; /* 0: not bound (the version has no such dimension) */
    double ln_eps;          /* layer norm; 1e-5 unless the file says otherwise */
    double gn_eps;          /* group norm; 64e-5 unless the file says otherwise */
    bool token_shift;       /* in time mixing, of versions that leave it open (AFT) */
} wkv_config;

/* ---- the parameter table --------------------------------------------------------------- */

typedef enum wkv_scope {
    WKV_ONCE,      /* one tensor for the model */
    WKV_LAYER,     /* one a layer; the name holds %d */
    WKV_LAYER_GE1, /* as LAYER, but layer 0 has none; one found there is ignored */
} wkv_scope;

typedef enum wkv_kind {
    WKV_VEC,   /* kept as reals, any shape whose elements number the product of dims */
    WKV_MAT,   /* [out, in], any weight dtype, quantisable */
    WKV_LOW,   /* low-rank factor [in, out], of 16 bits or kept as reals */
    WKV_TABLE, /* embedding [V, C], rows are looked up */
} wkv_kind;

typedef enum wkv_need {
    WKV_REQUIRED,
    WKV_OPTIONAL, /* a file may lack it; new models have it */
    WKV_RARE,     /* a file may have it; new models lack it */
    WKV_SHIFTED,  /* part of a token shift that is open: a model has all of these, or none */
} wkv_need;

/* What an initialiser is told. */
typedef struct wkv_init {
    const wkv_config *cfg;
    const wkv_dev *dev;
    wkv_rng *rng;
    int layer;
    int rows, cols; /* as in wkv_weight: rows * cols values are to be filled */
    double lr;      /* the initial learning rate (RWKV-4's embedding depends on it) */
} wkv_init;

typedef struct wkv_param {
    const char *name; /* RWKV-LM's, "blocks.%d.att.key.weight" */
    wkv_scope scope;
    wkv_kind kind;
    wkv_dim dims[3]; /* outermost first; trailing WKV_DIM_1 are not there */
    wkv_need need;
    double lr_scale; /* learning rate multiplier of the reference trainer */
    wkv_status (*init)(real *w, const wkv_init *i); /* WKV_OK or E_MEMORY */
} wkv_param;

/* Weight decay applies to matrices and the embedding (".weight", two or more dimensions). */
static inline bool wkv_param_decays(const wkv_param *p)
{
    return p->kind == WKV_MAT || p->kind == WKV_TABLE;
}

/* What a parameter is to the residual stream, which is how much an error of it hurts. */
typedef enum wkv_role {
    WKV_ROLE_SMALL, /* vectors and low-rank factors: few, sensitive, kept as reals */
    WKV_ROLE_EMBED, /* rows are looked up: no error adds up */
    WKV_ROLE_IN,    /* reads the stream */
    WKV_ROLE_OUT,   /* adds to it: an error stays for all layers that follow */
    WKV_ROLE_HEAD   /* makes the logits */
} wkv_role;

static inline wkv_role wkv_param_role(const wkv_param *p)
{
    if (p->kind == WKV_TABLE)
        return WKV_ROLE_EMBED;
    if (p->kind != WKV_MAT)
        return WKV_ROLE_SMALL;
    if (p->dims[0] == WKV_DIM_V)
        return WKV_ROLE_HEAD;
    /* Into A or F, or into a gate of C, from C; or back into C. */
    return p->dims[0] == WKV_DIM_C && p->dims[1] != WKV_DIM_C ? WKV_ROLE_OUT : WKV_ROLE_IN;
}

/* ---- weights ------------------------------------------------------------------------------ */

/* All parameters of a model: `once` holds arch->n_once weights in table order, `layer`
 * arch->n_layer weights for each layer.  A version views them through the two structs
 * that its X-macro makes. */
typedef struct wkv_weights {
    wkv_weight *once;
    wkv_weight *layer;
    void **blocks; /* heap copies of what could not stay mapped: wkv_weights_room */
    size_t n_blocks, blocks_room;
} wkv_weights;

/* ---- a pass ---------------------------------------------------------------------------------- */

/* What a backward pass computes again instead of keeping it: nothing; what costs little (norms,
 * mixes, activations); or everything but the inputs of layers.  All give the same bits. */
typedef enum wkv_recompute {
    WKV_RECOMPUTE_NONE,
    WKV_RECOMPUTE_LIGHT,
    WKV_RECOMPUTE_FULL
} wkv_recompute;

/* One forward, and perhaps one backward, over a batch of sequences. */
typedef struct wkv_pass {
    wkv_exec exec; /* device and scratch; reset after every layer */
    const wkv_config *cfg;
    const wkv_weights *weights;

    wkv_seqs seqs;
    const int32_t *ids; /* rows of them, each < V */
    real *const *state; /* [B], arch->state_size reals each; advanced in place */
    real *hidden;       /* out: (rows, C), after the last norm, before the head */

    /* Training only; tape NULL otherwise. */
    wkv_arena *tape;     /* what the backward pass needs */
    wkv_arena *wide;     /* NULL, or where a layer's activations are reals while it runs; until it
                            runs backward the tape has them as bf16.  NULL with recompute FULL */
    void *saved;         /* arch->saved_once + layers * arch->saved_layer bytes, zeroed */
    const real *dhidden; /* in: gradient of hidden */
    real *const *dstate; /* [B], gradient of the final states, becomes that of the first
                            ones; NULL: none comes in, none is wanted */
    wkv_recompute recompute;
    bool again; /* a layer runs a second time, for what it did not keep (blocks.h) */

    /* What a version's first layer leaves for all others, (rows, arch->first), with its
     * gradient; it lasts as long as the pass.  NULL where there is none. */
    real *first, *dfirst;
} wkv_pass;

/* Forward through layer l: the new residual stream, perhaps x itself when no backward pass
 * follows.  It may run twice: costly operations write to what wkv_pass_keep gives, the others to
 * wkv_pass_cheap's, and what is changed in place is left alone when p->again. */
typedef real *wkv_layer_forward(wkv_pass *p, int l, real *x);
/* Backward through it: dx is the residual stream's gradient, += */
typedef void wkv_layer_backward(wkv_pass *p, int l, real *dx);

/* All layers and the frame around them: layers.c. */
void wkv_forward(wkv_pass *p);
void wkv_backward(wkv_pass *p);

/* n reals that live until the backward pass when there is one, else until the layer ends. */
static inline real *wkv_pass_keep_exact(wkv_pass *p, size_t n)
{
    return wkv_arena_reals(p->tape != NULL ? p->tape : p->exec.scratch, n);
}

/* The same for what a backward pass may also read rounded to bf16: not for exponents, nor for
 * decays, whose errors add up over the steps. */
static inline real *wkv_pass_keep(wkv_pass *p, size_t n)
{
    return p->wide != NULL ? wkv_arena_reals(p->wide, n) : wkv_pass_keep_exact(p, n);
}

/* As these two, for what is made again where cheap activations are. */
static inline real *wkv_pass_cheap_exact(wkv_pass *p, size_t n)
{
    return p->recompute == WKV_RECOMPUTE_LIGHT ? wkv_arena_reals(p->exec.scratch, n)
                                               : wkv_pass_keep_exact(p, n);
}

static inline real *wkv_pass_cheap(wkv_pass *p, size_t n)
{
    return p->recompute == WKV_RECOMPUTE_LIGHT ? wkv_arena_reals(p->exec.scratch, n)
                                               : wkv_pass_keep(p, n);
}

/* n reals that live until the layer ends. */
static inline real *wkv_pass_temp(wkv_pass *p, size_t n)
{
    return wkv_arena_reals(p->exec.scratch, n);
}

/* Tokens of a window, or of the longest text where positions have parameters, at most. */
enum { WKV_MAX_REACH = 1 << 20 };

/* What a new model is to be.  A version ignores what it has no use for. */
typedef struct wkv_sizes {
    int layers, width, vocab;
    int head_size; /* for versions with heads */
    int window;    /* tokens that each looks back to; 0: the default, 32 */
    int length;    /* longest text, where positions have parameters; 0: the default, 1024 */
    bool token_shift; /* in time mixing, where that is open */
} wkv_sizes;

/* ---- a version ------------------------------------------------------------------------------- */

struct wkv_arch {
    const char *name; /* "rwkv7" */
    bool has_heads;   /* time mixing is split in H heads of size N */
    bool is_bounded;  /* texts end at POS tokens: later positions have no parameters */
    wkv_dim first;    /* width of what layer 0 leaves for all others (pass.first); 1: nothing */
    const wkv_param *once;
    int n_once;
    const wkv_param *layer;
    int n_layer;
    size_t saved_once, saved_layer; /* bytes of the records the backward pass reads */

    /* How surely this file is one of ours: 0 not, 100 certain. */
    int (*probe)(const wkv_store *file);
    /* Fills the dimensions of a new model that follow from layers, V, C and, where there
     * are heads, N; and from S and POS, which are set where the table mentions them. */
    void (*shape)(wkv_config *cfg);
    /* Derives and checks what the table cannot say (H * N = A).  file: NULL for a new model. */
    wkv_status (*finish)(wkv_config *cfg, const wkv_store *file, wkv_error *err);

    /* Reals of one sequence's state: an equal part for each layer, one after the other. */
    size_t (*state_size)(const wkv_config *cfg);
    void (*state_init)(const wkv_config *cfg, real *state);

    /* Through one layer; the loop over them, and the frame around, are layers.c's. */
    wkv_layer_forward *forward;
    wkv_layer_backward *backward;
};

/* A version's tables of parameters. */
#define WKV_ARCH_PARAMS(whole, each) \
    .once = whole, .n_once = sizeof whole / sizeof whole[0], .layer = each, \
    .n_layer = sizeof each / sizeof each[0]

#define ARCH(id, name) extern const wkv_arch wkv_arch_##id;
#include "arch/arch.def"
#undef ARCH

/* By name, or NULL.  And the i-th, or NULL past the end. */
const wkv_arch *wkv_arch_find(const char *name);
const wkv_arch *wkv_arch_at(size_t i);

/* The version that the file's names are the mark of: E_UNSUPPORTED when of none. */
wkv_status wkv_arch_recognise(const wkv_arch **out, const wkv_store *file, wkv_error *err);
/* One more than the highest l of any "blocks.l." in the file that a model can have. */
int wkv_arch_layers(const wkv_store *file);

/* What of a file does not go with a version's table, in the table's and the file's order:
 * audit.c.  E_MEMORY. */
typedef enum wkv_audit_finding {
    WKV_AUDIT_MISSING, /* a model of this version needs it */
    WKV_AUDIT_UNUSED,  /* the layer it is in has no use for it */
    WKV_AUDIT_UNKNOWN  /* the version has no such parameter */
} wkv_audit_finding;
wkv_status wkv_audit(const wkv_arch *arch, const wkv_store *file,
                     void (*found)(void *user, wkv_audit_finding what, const char *name),
                     void *user, wkv_error *err);

/* ---- configuration: config.c -------------------------------------------------------- */

/* Recognises the version of an open file and infers the configuration from its tensors;
 * the error names the tensor that disagrees or lacks. */
wkv_status wkv_config_infer(wkv_config *cfg, const wkv_store *file, wkv_error *err);

/* E_SHAPE, naming the tensor and both shapes, when it is no p of this configuration. */
wkv_status wkv_config_check(const wkv_config *cfg, const wkv_param *p, const wkv_tensor *t,
                            wkv_error *err);

/* The tensor's shape without dimensions of one, which formats drop; returns how many remain. */
int wkv_shape_squeeze(int64_t out[WKV_MAX_DIMS], const wkv_tensor *t);

/* A new model's configuration. */
wkv_status wkv_config_new(wkv_config *cfg, const wkv_arch *arch, const wkv_sizes *sizes,
                          wkv_error *err);

/* True when time mixing has a token shift that its version leaves open: the file has a
 * tensor of it. */
bool wkv_config_token_shift(const wkv_arch *arch, const wkv_store *file);

/* Tokens that a text may have from its start; 0: any number. */
int wkv_config_max_length(const wkv_config *cfg);

/* The configuration as metadata ("wkv.arch", "wkv.layers", ...; docs/file-format.md).
 * The pairs point into m itself. */
enum { WKV_CONFIG_PAIRS = 11 };
typedef struct wkv_config_meta {
    wkv_meta pair[WKV_CONFIG_PAIRS];
    size_t n;
    char text[WKV_CONFIG_PAIRS][32];
} wkv_config_meta;
void wkv_config_to_meta(wkv_config_meta *m, const wkv_config *cfg);

/* ---- walking the table: params.c ------------------------------------------------------- */

/* Parameters are numbered in the model's order: all once-parameters, then layer by layer,
 * those included that a layer lacks.  count is at most INT_MAX / 2. */
int wkv_params_count(const wkv_config *cfg);
/* Parameter i; *layer is -1 for once-parameters. */
const wkv_param *wkv_params_at(const wkv_config *cfg, int i, int *layer);
/* False where the scope says that this layer has none. */
bool wkv_param_exists(const wkv_param *p, int layer);
/* True when such a model cannot do without. */
bool wkv_param_needed(const wkv_config *cfg, const wkv_param *p, int layer);

/* Its full name, "blocks.3.att.key.weight", into buf. */
enum { WKV_NAME_MAX = 64 };
void wkv_param_name(char buf[WKV_NAME_MAX], const wkv_param *p, int layer);
/* Its dimensions, trailing ones dropped; returns how many. */
int wkv_param_shape(const wkv_config *cfg, const wkv_param *p, int64_t dim[WKV_MAX_DIMS]);

/* present[i] for every parameter of a new model, or of this file when it is not NULL. */
void wkv_params_present(bool *present, const wkv_config *cfg, const wkv_store *file);

/* ---- initial states: start.c ------------------------------------------------------------- */

/* The memory that a version with matrix states starts with may be a parameter of the model
 * (state tuning): "blocks.0.att.time_state", [H, N, N] as [value][key]. */
bool wkv_param_is_start(const wkv_param *p);

/* A sequence's initial state: state_init, and what the weights say of it. */
void wkv_state_start(const wkv_config *cfg, const wkv_weights *w, real *state);
/* Given the gradient of such a state, the gradients of these weights +=. */
void wkv_state_start_bwd(const wkv_config *cfg, const wkv_weights *w, const real *dstate);
/* True when some of these have a gradient. */
bool wkv_state_start_trained(const wkv_config *cfg, const wkv_weights *w);

/* ---- weights: weights.c ---------------------------------------------------------------------- */

/* Points every weight into the file, or into a copy where type, stride or alignment forbid
 * that.  The store must outlive the weights; release them with wkv_weights_deinit. */
wkv_status wkv_weights_bind(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                            wkv_error *err);

/* The same, every weight as reals: what is trained, or trained around. */
wkv_status wkv_weights_bind_reals(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                                  wkv_error *err);

/* Takes what another file has of the parameters instead; it must outlive the weights too. */
wkv_status wkv_weights_replace(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                               wkv_error *err);

/* Readies the matrices that products want packed (dev.h); the copies belong to w.  The store
 * must still outlive the weights. */
wkv_status wkv_weights_pack(wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev,
                            wkv_error *err);

/* Reals that n of them take in a flat block, where each parameter starts on a cache line. */
static inline size_t wkv_flat_room(size_t n)
{
    return (n + 15) / 16 * 16;
}

/* Reals that the present parameters take in one flat block. */
size_t wkv_weights_flat_size(const wkv_config *cfg, const bool *present);
/* Points every present weight into flat, and its gradient into grad (or NULL: frozen), in
 * the model's order.  The blocks stay the caller's. */
wkv_status wkv_weights_flat(wkv_weights *w, const wkv_config *cfg, const bool *present, real *flat,
                            real *grad, wkv_error *err);
/* Fills flat weights with the version's initial values, each parameter from a random
 * stream of its own. */
wkv_status wkv_weights_create(wkv_weights *w, const wkv_config *cfg, const wkv_dev *dev,
                              uint64_t seed, double lr, wkv_error *err);
/* Fills flat weights from a file of the same configuration. */
wkv_status wkv_weights_load(wkv_weights *w, const wkv_config *cfg, const wkv_store *file,
                            wkv_error *err);
void wkv_weights_deinit(wkv_weights *w);
/* A block of memory, aligned to 64 bytes, that lives as long as w; NULL when there is none. */
void *wkv_weights_room(wkv_weights *w, size_t bytes);

/* The weight of parameter i; its data is NULL when it is absent. */
wkv_weight *wkv_weights_at(const wkv_weights *w, const wkv_config *cfg, int i);

/* Views every present weight as a tensor for writing: *n of them in out, their names in
 * names (both with room for wkv_params_count). */
void wkv_weights_tensors(const wkv_weights *w, const wkv_config *cfg, wkv_tensor *out,
                         char (*names)[WKV_NAME_MAX], size_t *n);

/* ---- the head: blocks.c ---------------------------------------------------------------------- */

/* logits (rows, V) = hidden head^T (+ bias), and its backward (dhidden =). */
void wkv_head(wkv_exec *x, const wkv_weights *w, real *logits, const real *hidden, int rows);
void wkv_head_bwd(wkv_exec *x, const wkv_weights *w, real *dhidden, const real *dlogits,
                  const real *hidden, int rows);

#endif
