/* kern/simd/heads.h - what the row-wise templates of RWKV-5 to 7 share: the norm of one
 * head. */
#include <math.h>

/* Of a head: its mean and 1 / sqrt(var + eps), in every lane. */
typedef struct moments {
    vf mean, rstd;
} moments;

/* stat: where the two are left for the backward pass, or NULL. */
WKV_INLINE moments moments_of(const real *y, size_t N, float eps, real *stat)
{
    vf sum = vf_zero(), squares = vf_zero();
    for (size_t i = 0; i < N; i += VF_N)
        sum = vf_add(sum, load_some(y + i, N - i));
    float mean = vf_sum(sum) / (float)N;
    vf m = vf_set1(mean);
    size_t i = 0;
    for (; i + VF_N <= N; i += VF_N) {
        vf d = vf_sub(vf_load(y + i), m);
        squares = vf_fma(d, d, squares);
    }
    float var = vf_sum(squares);
    for (; i < N; i++)
        var += (y[i] - mean) * (y[i] - mean);
    float rstd = 1 / sqrtf(var / (float)N + eps);
    if (stat != NULL) {
        stat[0] = mean;
        stat[1] = rstd;
    }
    return (moments){m, vf_set1(rstd)};
}

WKV_INLINE vf normed(moments q, const real *y, size_t lanes)
{
    return vf_mul(vf_sub(load_some(y, lanes), q.mean), q.rstd);
}

/* The gradient through the norm: dh of the normed value h; means over the head of dh, and
 * of dh h. */
WKV_INLINE vf normed_back(moments q, vf dh, vf h, vf mean_dh, vf mean_dhh)
{
    return vf_mul(q.rstd, vf_fnma(h, mean_dhh, vf_sub(dh, mean_dh)));
}
