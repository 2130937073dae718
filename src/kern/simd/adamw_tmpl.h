/* kern/simd/adamw_tmpl.h - one AdamW step, and the sum of squares for clipping.  Both are
 * bound by memory; the operations are those of ref/adamw_ref.c in the same order. */

typedef struct adam {
    vf rate, beta1, beta2, rest1, rest2, eps, decay, correction1, correction2, grad_scale;
} adam;

static adam spread(const wkv_adamw *h)
{
    return (adam){vf_set1(h->lr),        vf_set1(h->beta1),       vf_set1(h->beta2),
                  vf_set1(1 - h->beta1), vf_set1(1 - h->beta2),   vf_set1(h->eps),
                  vf_set1(h->decay),     vf_set1(h->correction1), vf_set1(h->correction2),
                  vf_set1(h->grad_scale)};
}

WKV_INLINE void adam_at(real *p, real *m, real *v, const real *g, const adam *h, size_t lanes)
{
    vf grad = vf_mul(load_some(g, lanes), h->grad_scale), x = load_some(p, lanes);
    vf first = vf_fma(h->beta1, load_some(m, lanes), vf_mul(h->rest1, grad));
    vf second = vf_fma(h->beta2, load_some(v, lanes), vf_mul(h->rest2, vf_mul(grad, grad)));
    vf spread_of = vf_add(vf_sqrt(vf_div(second, h->correction2)), h->eps);
    vf step = vf_div(vf_div(first, h->correction1), spread_of);
    store_some(m, first, lanes);
    store_some(v, second, lanes);
    store_some(p, vf_fnma(h->rate, vf_fma(h->decay, x, step), x), lanes);
}

static void adamw(real *p, real *m, real *v, const real *g, size_t n, const wkv_adamw *h)
{
    adam all = spread(h);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        adam_at(p + i, m + i, v + i, g + i, &all, VF_N);
    if (i < n)
        adam_at(p + i, m + i, v + i, g + i, &all, n - i);
}

static double sumsq(const real *x, size_t n)
{
    vd a = vd_zero(), b = vd_zero();
    size_t i = 0;
    for (; i + 2 * VF_N <= n; i += 2 * VF_N) {
        a = vd_add_square(a, vf_load(x + i));
        b = vd_add_square(b, vf_load(x + i + VF_N));
    }
    for (; i < n; i += VF_N)
        a = vd_add_square(a, load_some(x + i, n - i));
    return vd_sum(a) + vd_sum(b);
}

static void set_adamw(wkv_kern *k)
{
    k->adamw = adamw;
    k->sumsq = sumsq;
}
