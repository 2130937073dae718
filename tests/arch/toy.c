/* tests/arch/toy.c - the smallest model version: AFT-simple (arXiv 2105.14103) without
 * channel mixing, y = sigmoid(q) sum_i e^{k_i} v_i / sum_i e^{k_i}.  It is RWKV-4's
 * recurrence without decay or bonus.
 *
 * It shows what a version costs, and that it costs nothing elsewhere: if this file ever
 * needs a change in src/, the seam between versions and the rest is broken. */
#include "toy.h"

#include <string.h>

#include "arch/blocks.h"

#define TOY_LAYER(P) \
    P(ln_w, "blocks.%d.ln1.weight", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_one) \
    P(ln_b, "blocks.%d.ln1.bias", LAYER, VEC, C, 1, 1, REQUIRED, 1, wkv_init_zero) \
    P(q, "blocks.%d.att.q.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(k, "blocks.%d.att.k.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(v, "blocks.%d.att.v.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, wkv_init_ortho) \
    P(out, "blocks.%d.att.output.weight", LAYER, MAT, C, C, 1, REQUIRED, 1, wkv_init_ortho)

typedef struct layer_weights {
    TOY_LAYER(WKV_FIELD)
} layer_weights;

typedef struct layer_saved {
    wkv_layer_saved layer;
    wkv_norm_saved ln;
    real *q, *k, *v, *state0, *y, *z;
} layer_saved;

static const wkv_param once[] = {WKV_FRAME(WKV_ROW, wkv_init_emb)};
static const wkv_param layer[] = {TOY_LAYER(WKV_ROW)};

/* No decay: w = -e^-1e30 = 0.  No bonus. */
enum { MAX_WIDTH = 64 };
static real no_decay_values[MAX_WIDTH], no_bonus_values[MAX_WIDTH];

static wkv_weight constant(real *values, real value, const wkv_config *cfg)
{
    for (int c = 0; c < MAX_WIDTH; c++)
        values[c] = value;
    return (wkv_weight){
        .data = values, .dtype = WKV_DTYPE_REAL, .rows = 1, .cols = cfg->dim[WKV_DIM_C]};
}

static size_t state_size(const wkv_config *cfg)
{
    return (size_t)cfg->layers * 3 * (size_t)cfg->dim[WKV_DIM_C];
}

static void state_init(const wkv_config *cfg, real *state)
{
    size_t C = (size_t)cfg->dim[WKV_DIM_C];
    for (size_t i = 0; i < state_size(cfg); i++)
        state[i] = i / C % 3 == 2 ? REAL_C(-1e30) : 0;
}

static wkv_slot slot_of(const wkv_pass *p, real *const *state, int l)
{
    return (wkv_slot){state, (size_t)l * 3 * (size_t)p->cfg->dim[WKV_DIM_C]};
}

static size_t size_of(const wkv_pass *p)
{
    return (size_t)wkv_seqs_rows(&p->seqs) * (size_t)p->cfg->dim[WKV_DIM_C];
}

static layer_saved *saved_at(const wkv_pass *p, int l)
{
    return (layer_saved *)(void *)((unsigned char *)p->saved + sizeof(wkv_frame_saved)) + l;
}

static real *product(wkv_pass *p, const real *in, const wkv_weight *W)
{
    real *y = wkv_pass_keep(p, size_of(p));
    p->exec.dev->matmul(&p->exec, y, in, W, wkv_seqs_rows(&p->seqs), false);
    return y;
}

static real *forward(wkv_pass *p, int l, real *x)
{
    const wkv_dev *d = p->exec.dev;
    wkv_weight decay = constant(no_decay_values, REAL_C(-1e30), p->cfg);
    wkv_weight bonus = constant(no_bonus_values, 0, p->cfg);
    const layer_weights *w = (const layer_weights *)(const void *)p->weights->layer + l;
    layer_saved here, *s = p->tape != NULL ? saved_at(p, l) : &here;
    const real *normed = wkv_norm(p, &s->ln, x, &w->ln_w, &w->ln_b);
    s->q = product(p, normed, &w->q);
    s->k = product(p, normed, &w->k);
    s->v = product(p, normed, &w->v);
    s->y = wkv_pass_keep(p, size_of(p));
    s->z = wkv_pass_cheap(p, size_of(p));
    s->state0 = wkv_pass_keep_exact(p, 3 * (size_t)p->seqs.n * (size_t)p->cfg->dim[WKV_DIM_C]);
    wkv_slot slot = slot_of(p, p->state, l);
    d->wkv4(&p->exec, s->y, s->state0, s->k, s->v, &decay, &bonus, &p->seqs, &slot);
    d->gate(&p->exec, s->z, s->q, s->y, size_of(p));
    x = wkv_residual(p, x);
    d->matmul(&p->exec, x, s->z, &w->out, wkv_seqs_rows(&p->seqs), true);
    return x;
}

static void backward(wkv_pass *p, int l, real *dx)
{
    const wkv_dev *d = p->exec.dev;
    int rows = wkv_seqs_rows(&p->seqs);
    wkv_weight decay = constant(no_decay_values, REAL_C(-1e30), p->cfg);
    wkv_weight bonus = constant(no_bonus_values, 0, p->cfg);
    const layer_weights *w = (const layer_weights *)(const void *)p->weights->layer + l;
    const layer_saved *s = saved_at(p, l);
    real *grad[5]; /* of z, then y, q, k, v */
    for (int j = 0; j < 5; j++)
        grad[j] = wkv_pass_temp(p, size_of(p));
    real *dnormed = wkv_pass_temp(p, size_of(p));
    d->matmul_bwd(&p->exec, grad[0], dx, s->z, &w->out, rows, false);
    d->gate_bwd(&p->exec, grad[2], grad[1], grad[0], s->q, s->y, size_of(p));
    wkv_slot dslot = slot_of(p, p->dstate, l);
    d->wkv4_bwd(&p->exec, grad[3], grad[4], grad[1], s->state0, s->k, s->v, &decay, &bonus,
                &p->seqs, &dslot);
    d->matmul_bwd(&p->exec, dnormed, grad[2], s->ln.y, &w->q, rows, false);
    d->matmul_bwd(&p->exec, dnormed, grad[3], s->ln.y, &w->k, rows, true);
    d->matmul_bwd(&p->exec, dnormed, grad[4], s->ln.y, &w->v, rows, true);
    wkv_norm_bwd(p, &s->ln, dx, dnormed, &w->ln_w, &w->ln_b);
}

static int probe(const wkv_store *file)
{
    return wkv_store_find(file, "blocks.0.att.q.weight") != NULL ? 100 : 0;
}

static void shape(wkv_config *cfg)
{
    cfg->dim[WKV_DIM_A] = 0; /* no width of its own for time mixing */
}

static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    (void)file;
    if (cfg->dim[WKV_DIM_C] > MAX_WIDTH)
        WKV_FAIL(err, WKV_E_LIMIT, "width: expected at most %d", MAX_WIDTH);
    return WKV_OK;
}

const wkv_arch toy_arch = {
    .name = "toy",
    WKV_ARCH_PARAMS(once, layer),
    .saved_once = sizeof(wkv_frame_saved),
    .saved_layer = sizeof(layer_saved),
    .probe = probe,
    .shape = shape,
    .finish = finish,
    .state_size = state_size,
    .state_init = state_init,
    .forward = forward,
    .backward = backward,
};
