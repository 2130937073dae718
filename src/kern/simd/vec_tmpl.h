/* kern/simd/vec_tmpl.h - elementwise kernels, for any vector of vec_<isa>.h.
 *
 * map1 and map2 are the loops; a kernel is one expression given to them.  Everything is
 * inlined, so the function pointers cost nothing. */

WKV_INLINE void map1(real *y, const real *x, size_t n, vf (*f)(vf))
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(y + i, f(vf_load(x + i)));
    if (i < n)
        vf_store_n(y + i, f(vf_load_n(x + i, n - i)), n - i);
}

WKV_INLINE void map2(real *y, const real *a, const real *b, size_t n, vf (*f)(vf, vf))
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(y + i, f(vf_load(a + i), vf_load(b + i)));
    if (i < n)
        vf_store_n(y + i, f(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i)), n - i);
}

/* max(x, 0): the order of operands lets NaN through. */
WKV_INLINE vf positive(vf x)
{
    return vf_max(vf_zero(), x);
}

WKV_INLINE vf tanh_back(vf dy, vf y)
{
    return vf_mul(dy, vf_one_minus(vf_mul(y, y)));
}

WKV_INLINE vf sigmoid_back(vf dy, vf y)
{
    return vf_mul(dy, vf_mul(y, vf_one_minus(y)));
}

WKV_INLINE vf square_positive(vf x)
{
    vf m = positive(x);
    return vf_mul(m, m);
}

WKV_INLINE vf relu2_back(vf dy, vf x)
{
    return vf_mul(vf_add(dy, dy), positive(x));
}

WKV_INLINE vf gated(vf r, vf x)
{
    return vf_mul(vf_sigmoid(r), x);
}

static void add(real *y, const real *x, size_t n)
{
    map2(y, y, x, n, vf_add);
}

static void vec_exp(real *y, const real *x, size_t n)
{
    map1(y, x, n, vf_exp);
}

static void vec_tanh(real *y, const real *x, size_t n)
{
    map1(y, x, n, vf_tanh);
}

static void tanh_bwd(real *dx, const real *dy, const real *y, size_t n)
{
    map2(dx, dy, y, n, tanh_back);
}

static void sigmoid(real *y, const real *x, size_t n)
{
    map1(y, x, n, vf_sigmoid);
}

static void sigmoid_bwd(real *dx, const real *dy, const real *y, size_t n)
{
    map2(dx, dy, y, n, sigmoid_back);
}

static void relu2(real *y, const real *x, size_t n)
{
    map1(y, x, n, square_positive);
}

static void relu2_bwd(real *dx, const real *dy, const real *x, size_t n)
{
    map2(dx, dy, x, n, relu2_back);
}

static void gate(real *y, const real *r, const real *x, size_t n)
{
    map2(y, r, x, n, gated);
}

WKV_INLINE void gate_back(vf *dr, vf *dx, vf dy, vf r, vf x)
{
    vf s = vf_sigmoid(r);
    *dr = vf_mul(vf_mul(dy, x), vf_mul(s, vf_one_minus(s)));
    *dx = vf_mul(dy, s);
}

static void gate_bwd(real *dr, real *dx, const real *dy, const real *r, const real *x, size_t n)
{
    size_t i = 0;
    vf a, b;
    for (; i + VF_N <= n; i += VF_N) {
        gate_back(&a, &b, vf_load(dy + i), vf_load(r + i), vf_load(x + i));
        vf_store(dr + i, a);
        vf_store(dx + i, b);
    }
    if (i < n) {
        size_t m = n - i;
        gate_back(&a, &b, vf_load_n(dy + i, m), vf_load_n(r + i, m), vf_load_n(x + i, m));
        vf_store_n(dr + i, a, m);
        vf_store_n(dx + i, b, m);
    }
}

static void to_bf16(uint16_t *y, const real *x, size_t n)
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store_bf16(y + i, vf_load(x + i));
    if (i < n)
        vf_store_bf16_n(y + i, vf_load_n(x + i, n - i), n - i);
}

#define FROM(type) \
    static void from_##type(real *y, const uint16_t *x, size_t n) \
    { \
        size_t i = 0; \
        for (; i + VF_N <= n; i += VF_N) \
            vf_store(y + i, vf_load_##type(x + i)); \
        if (i < n) \
            vf_store_n(y + i, vf_load_##type##_n(x + i, n - i), n - i); \
    }
FROM(bf16)
FROM(f16)
#undef FROM

static void set_vec(wkv_kern *k)
{
    k->add = add;
    k->exp = vec_exp;
    k->tanh = vec_tanh;
    k->tanh_bwd = tanh_bwd;
    k->sigmoid = sigmoid;
    k->sigmoid_bwd = sigmoid_bwd;
    k->relu2 = relu2;
    k->relu2_bwd = relu2_bwd;
    k->gate = gate;
    k->gate_bwd = gate_bwd;
    k->to_bf16 = to_bf16;
    k->from_bf16 = from_bf16;
    k->from_f16 = from_f16;
}
