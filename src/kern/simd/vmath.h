/* kern/simd/vmath.h - what all templates share, made of the primitives of vec_<isa>.h,
 * which include this file: ends of rows, and exp, sigmoid and tanh of a vector.
 *
 * exp: x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its series to r^7, whose remainder is
 * below 6e-9; times 2^n.  The argument is held to where the result is 0 or infinity
 * anyway, which also takes care of the infinities; the order of operands of min and max
 * lets NaN through.  Measured against exact values: exp within 1.1 ulp, results below the
 * normal numbers included; sigmoid and tanh within 2.4. */
#ifndef WKV_KERN_VMATH_H
#define WKV_KERN_VMATH_H

WKV_INLINE size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A whole vector, or its first lanes where fewer are left. */
WKV_INLINE vf load_some(const real *p, size_t lanes)
{
    return lanes >= VF_N ? vf_load(p) : vf_load_n(p, lanes);
}

WKV_INLINE void store_some(real *p, vf v, size_t lanes)
{
    if (lanes >= VF_N)
        vf_store(p, v);
    else
        vf_store_n(p, v, lanes);
}

WKV_INLINE vf vf_one_minus(vf x)
{
    return vf_sub(vf_set1(1), x);
}

/* e^r - 1 for the reduced argument r of x; *n the power of two. */
WKV_INLINE vf reduced_expm1(vf x, vf *n)
{
    *n = vf_round(vf_mul(x, vf_set1(0x1.715476p+0f)));
    vf r = vf_fnma(*n, vf_set1(0x1.62e4p-1f), x); /* ln 2, its upper bits: n times it is exact */
    r = vf_fnma(*n, vf_set1(0x1.7f7d1cp-20f), r);
    vf p = vf_set1(1.0f / 5040);
    p = vf_fma(p, r, vf_set1(1.0f / 720));
    p = vf_fma(p, r, vf_set1(1.0f / 120));
    p = vf_fma(p, r, vf_set1(1.0f / 24));
    p = vf_fma(p, r, vf_set1(1.0f / 6));
    p = vf_fma(p, r, vf_set1(0.5f));
    return vf_fma(vf_mul(r, r), p, r);
}

WKV_INLINE vf vf_exp(vf x)
{
    vf n;
    x = vf_min(vf_set1(89.0f), vf_max(vf_set1(-104.0f), x));
    vf q = reduced_expm1(x, &n);
    return vf_scale2(vf_add(vf_set1(1), q), n);
}

/* 1 / (1 + e^-x); 0 once e^-x overflows, like that formula in scalar floats. */
WKV_INLINE vf vf_sigmoid(vf x)
{
    return vf_recip(vf_add(vf_set1(1), vf_exp(vf_neg(x))));
}

/* tanh |x| = m / (m + 2), m = e^{2|x|} - 1 = 2^n q + (2^n - 1), which is accurate at 0
 * too, where n = 0.  Beyond 10 the quotient rounds to 1. */
WKV_INLINE vf vf_tanh(vf x)
{
    vf n, two_x = vf_min(vf_set1(20.0f), vf_add(vf_abs(x), vf_abs(x)));
    vf q = reduced_expm1(two_x, &n);
    vf power = vf_scale2(vf_set1(1), n);
    vf m = vf_fma(power, q, vf_sub(power, vf_set1(1)));
    return vf_copysign(vf_div(m, vf_add(m, vf_set1(2))), x);
}

#endif
