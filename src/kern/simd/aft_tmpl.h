/* kern/simd/aft_tmpl.h - the Attention Free Transformer's weighted mean, VF_N channels at a
 * time.  The mathematics is in ref/aft_ref.c. */

typedef struct sums {
    vf a, b, p;
} sums;

/* One block of channels: where its keys and values are. */
typedef struct block {
    const wkv_aft_in *in;
    const real *k, *v, *state;
    size_t ss, stride, lanes;
} block;

WKV_INLINE block block_at(const wkv_aft_in *in, const real *state, size_t ss, size_t c, size_t n)
{
    return (block){
        in, in->k + c, in->v + c, state + c, ss, (size_t)in->stride, n - c < VF_N ? n - c : VF_N};
}

/* A token: its rows of keys and values, and its place in the window. */
typedef struct token {
    const real *k, *v;
    size_t place;
} token;

WKV_INLINE token token_at(const block *q, int j, size_t place)
{
    const real *kept = q->state + (3 + 2 * place) * q->ss;
    return j >= 0 ? (token){q->k + (size_t)j * q->stride, q->v + (size_t)j * q->stride, place}
                  : (token){kept, kept + q->ss, place};
}

/* The token that leaves the window at step t, if there is one: its place is that of t. */
WKV_INLINE bool leaving(const block *q, int t, token *out)
{
    const wkv_aft_in *in = q->in;
    if (in->position + t < in->window)
        return false;
    int j = t - in->window;
    *out = token_at(q, j, j < 0 ? wkv_aft_place(in, j) : 0);
    return true;
}

WKV_INLINE size_t next_place(const wkv_aft_in *in, size_t place)
{
    return place + 1 < (size_t)in->window ? place + 1 : 0;
}

WKV_INLINE int first_near(const wkv_aft_in *in, int t)
{
    int from = t - in->window + 1;
    return from < -in->position ? -in->position : from;
}

WKV_INLINE sums add_token(sums s, vf k, vf v)
{
    vf one = vf_set1(1), zero = vf_zero(), d = vf_sub(s.p, k), e = vf_exp(vf_neg(vf_abs(d)));
    vf old = vf_select_ge(d, zero, one, e), add = vf_select_ge(d, zero, e, one);
    return (sums){vf_fma(old, s.a, vf_mul(add, v)), vf_fma(old, s.b, add),
                  vf_select_ge(d, zero, s.p, k)};
}

WKV_INLINE sums load_sums(const real *state, size_t ss, size_t lanes)
{
    return (sums){load_some(state, lanes), load_some(state + ss, lanes),
                  load_some(state + 2 * ss, lanes)};
}

WKV_INLINE void store_sums(real *state, size_t ss, sums s, size_t lanes)
{
    store_some(state, s.a, lanes);
    store_some(state + ss, s.b, lanes);
    store_some(state + 2 * ss, s.p, lanes);
}

/* ---- forward ------------------------------------------------------------------------- */

/* The tokens of one step's window, biases with them. */
#define EACH_NEAR(q, t, token, w) \
    for (near_walk walk = near_begin(q, t); near_has(q, &walk, &token, &w); near_next(q, &walk))

typedef struct near_walk {
    int j, t;
    size_t place;
    const real *bias;
} near_walk;

WKV_INLINE near_walk near_begin(const block *q, int t)
{
    const wkv_aft_in *in = q->in;
    near_walk w = {.j = first_near(in, t), .t = t};
    if (in->window > 0) {
        w.place = wkv_aft_place(in, w.j);
        w.bias = in->bias + (size_t)t * (size_t)in->bias_stride;
    }
    return w;
}

WKV_INLINE bool near_has(const block *q, const near_walk *w, token *out, real *bias)
{
    if (w->j > w->t)
        return false;
    *out = token_at(q, w->j, w->place);
    *bias = w->bias[q->in->by_place ? w->place : (size_t)(w->t - w->j)];
    return true;
}

WKV_INLINE void near_next(const block *q, near_walk *w)
{
    w->j++;
    w->place = next_place(q->in, w->place);
}

WKV_INLINE vf step(const block *q, real *keep, sums far, int t)
{
    vf max = far.p;
    token i;
    real w;
    EACH_NEAR(q, t, i, w)
    max = vf_max(max, vf_add(load_some(i.k, q->lanes), vf_set1(w)));
    vf f = vf_exp(vf_sub(far.p, max)), num = vf_mul(f, far.a), den = vf_mul(f, far.b);
    EACH_NEAR(q, t, i, w)
    {
        vf e = vf_exp(vf_sub(vf_add(load_some(i.k, q->lanes), vf_set1(w)), max));
        num = vf_fma(e, load_some(i.v, q->lanes), num);
        den = vf_add(den, e);
    }
    if (keep != NULL) {
        store_some(keep, max, q->lanes);
        store_some(keep + q->stride, vf_div(vf_set1(1), den), q->lanes);
    }
    return vf_div(num, den);
}

WKV_INLINE void keep_last(const block *q, real *state)
{
    const wkv_aft_in *in = q->in;
    int from = in->T > in->window ? in->T - in->window : 0;
    for (int j = from; j < in->T && in->window > 0; j++) {
        real *to = state + (3 + 2 * wkv_aft_place(in, j)) * q->ss;
        store_some(to, load_some(q->k + (size_t)j * q->stride, q->lanes), q->lanes);
        store_some(to + q->ss, load_some(q->v + (size_t)j * q->stride, q->lanes), q->lanes);
    }
}

static void aft(real *y, real *keep, real *state, size_t ss, const wkv_aft_in *in, int n)
{
    for (size_t c = 0; c < (size_t)n; c += VF_N) {
        block q = block_at(in, state, ss, c, (size_t)n);
        sums far = load_sums(state + c, ss, q.lanes);
        for (int t = 0; t < in->T; t++) {
            size_t at = (size_t)t * q.stride + c;
            token out;
            if (leaving(&q, t, &out))
                far = add_token(far, load_some(out.k, q.lanes), load_some(out.v, q.lanes));
            vf mean = step(&q, keep != NULL ? keep + 2 * at - c : NULL, far, t);
            store_some(y + at, mean, q.lanes);
        }
        store_sums(state + c, ss, far, q.lanes);
        keep_last(&q, state + c);
    }
}

/* ---- backward: outside the window ------------------------------------------------------ */

typedef struct token_grad {
    real *dk, *dv;
} token_grad;

WKV_INLINE token_grad grad_of(const wkv_aft_grad *g, const block *q, int j, size_t place, size_t c)
{
    size_t at = (size_t)j * q->stride + c;
    if (j >= 0)
        return (token_grad){g->dk + at, g->dv + at};
    real *kept = g->dstate + (3 + 2 * place) * q->ss + c;
    return (token_grad){kept, kept + q->ss};
}

WKV_INLINE void add_to(real *at, vf v, size_t lanes)
{
    store_some(at, vf_add(load_some(at, lanes), v), lanes);
}

WKV_INLINE void start_tokens(const wkv_aft_grad *g, const block *q, size_t c)
{
    const wkv_aft_in *in = q->in;
    vf zero = vf_zero();
    for (int t = 0; t < in->T; t++) {
        size_t at = (size_t)t * q->stride + c;
        vf dk = zero, dv = zero;
        if (t >= in->T - in->window) {
            real *from = g->dstate + (3 + 2 * wkv_aft_place(in, t)) * q->ss + c;
            dk = load_some(from, q->lanes);
            dv = load_some(from + q->ss, q->lanes);
            store_some(from, zero, q->lanes);
            store_some(from + q->ss, zero, q->lanes);
        }
        store_some(g->dk + at, dk, q->lanes);
        store_some(g->dv + at, dv, q->lanes);
    }
}

typedef struct carried {
    vf da, db, ex;
} carried;

WKV_INLINE void leave_back(carried *f, token_grad d, vf before, vf after, vf k, vf v, size_t lanes)
{
    vf zero = vf_zero(), add = vf_exp(vf_sub(k, after)), old = vf_exp(vf_sub(before, after));
    vf ex_new = vf_select_ge(before, k, zero, f->ex);
    add_to(d.dk, vf_fma(add, vf_fma(v, f->da, f->db), ex_new), lanes);
    add_to(d.dv, vf_mul(add, f->da), lanes);
    f->da = vf_mul(f->da, old);
    f->db = vf_mul(f->db, old);
    f->ex = vf_select_ge(before, k, f->ex, zero);
}

/* The sums over all steps; leaves p after each in `after`, VF_N apart. */
WKV_INLINE sums run_sums(const block *q, sums s, real *after)
{
    token out;
    for (int t = 0; t < q->in->T; t++) {
        if (leaving(q, t, &out))
            s = add_token(s, load_some(out.k, q->lanes), load_some(out.v, q->lanes));
        store_some(after + (size_t)t * q->lanes, s.p, q->lanes);
    }
    return s;
}

WKV_INLINE void far_bwd_block(const wkv_aft_grad *g, const block *q, size_t c, real *after)
{
    size_t lanes = q->lanes, ss = q->ss;
    const sums first = load_sums(q->state, ss, lanes), last = run_sums(q, first, after);
    start_tokens(g, q, c);
    sums d = load_sums(g->dstate + c, ss, lanes);
    carried f = {d.a, d.b, vf_fnma(last.b, d.b, vf_fnma(last.a, d.a, d.p))};
    for (int t = q->in->T - 1; t >= 0; t--) {
        size_t at = (size_t)t * q->stride + c;
        const real *keep = g->keep + 2 * at - c;
        vf p = load_some(after + (size_t)t * lanes, lanes);
        vf e =
            vf_mul(vf_exp(vf_sub(p, load_some(keep, lanes))), load_some(keep + q->stride, lanes));
        vf w = vf_mul(e, load_some(g->dy + at, lanes));
        f.da = vf_add(f.da, w);
        f.db = vf_fnma(w, load_some(g->y + at, lanes), f.db);
        token out;
        if (!leaving(q, t, &out))
            continue;
        vf before = t > 0 ? load_some(after + (size_t)(t - 1) * lanes, lanes) : first.p;
        leave_back(&f, grad_of(g, q, t - q->in->window, out.place, c), before, p,
                   load_some(out.k, lanes), load_some(out.v, lanes), lanes);
    }
    vf dp = vf_fma(first.a, f.da, vf_fma(first.b, f.db, f.ex));
    store_sums(g->dstate + c, ss, (sums){f.da, f.db, dp}, lanes);
}

static void aft_far_bwd(const wkv_aft_grad *g, const real *state, size_t ss, const wkv_aft_in *in,
                        int n, real *scratch)
{
    for (size_t c = 0; c < (size_t)n; c += VF_N) {
        block q = block_at(in, state, ss, c, (size_t)n);
        far_bwd_block(g, &q, c, scratch);
    }
}

/* ---- backward: inside the window ------------------------------------------------------- */

/* The pair of token j and step t in one block; returns what the bias gets. */
WKV_INLINE vf pair_bwd(const wkv_aft_grad *g, const block *q, int t, int j, token i, vf w, size_t c)
{
    size_t at = (size_t)t * q->stride + c, lanes = q->lanes;
    const real *keep = g->keep + 2 * at - c;
    /* At most 0 already, but in lanes that hold nothing, whose sum must stay finite. */
    vf x = vf_min(vf_zero(), vf_sub(vf_add(load_some(i.k, lanes), w), load_some(keep, lanes)));
    vf e = vf_exp(x);
    vf dv = vf_mul(vf_mul(e, load_some(keep + q->stride, lanes)), load_some(g->dy + at, lanes));
    vf dk = vf_mul(dv, vf_sub(load_some(i.v, lanes), load_some(g->y + at, lanes)));
    token_grad d = grad_of(g, q, j, i.place, c);
    add_to(d.dk, dk, lanes);
    add_to(d.dv, dv, lanes);
    return dk;
}

/* Steps go outside, so that what belongs to one is read once for all tokens. */
static void aft_near_bwd(const wkv_aft_grad *g, const real *state, size_t ss, const wkv_aft_in *in,
                         int first, int count, int n)
{
    int end = first + count - 1 + in->window < in->T ? first + count - 1 + in->window : in->T;
    for (int t = first < 0 ? 0 : first; t < end; t++) {
        int from = first_near(in, t) > first ? first_near(in, t) : first;
        int to = t < first + count - 1 ? t : first + count - 1;
        size_t place = wkv_aft_place(in, from);
        for (int j = from; j <= to; j++, place = next_place(in, place)) {
            size_t column = in->by_place ? place : (size_t)(t - j);
            vf w = vf_set1(in->bias[(size_t)t * (size_t)in->bias_stride + column]);
            vf sum = vf_zero();
            for (size_t c = 0; c < (size_t)n; c += VF_N) {
                block q = block_at(in, state, ss, c, (size_t)n);
                sum = vf_add(sum, pair_bwd(g, &q, t, j, token_at(&q, j, place), w, c));
            }
            g->dbias[(size_t)t * (size_t)g->dbias_stride + column] += vf_sum(sum);
        }
    }
}

static void set_aft(wkv_kern *k)
{
    k->aft = aft;
    k->aft_far_bwd = aft_far_bwd;
    k->aft_near_bwd = aft_near_bwd;
}
