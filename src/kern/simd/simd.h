/* kern/simd/simd.h - what kern.c knows of the vector kernels: their families.
 *
 * A family is one template (<family>_tmpl.h) compiled once for each instruction set by
 * <family>_<isa>.c, whose only external symbol is the init function declared here; it
 * sets the pointers of the kernels it has and touches nothing else. */
#ifndef WKV_KERN_SIMD_H
#define WKV_KERN_SIMD_H

#include "kern/kern.h"

#define WKV_KERN_FAMILIES(X) \
    X(vec) X(norm) X(mix) X(aft) X(wkv4) X(wkv6) X(wkv7) X(gemv) X(gemm) X(rwkv6) X(rwkv7) X(loss) \
    X(adamw)

#define FAMILY(name) \
    void wkv_kern_init_##name##_avx2(wkv_kern *k); \
    void wkv_kern_init_##name##_avx512(wkv_kern *k);
WKV_KERN_FAMILIES(FAMILY)
#undef FAMILY

/* Products of bytes, which plain AVX-512 does no better than AVX2. */
void wkv_kern_init_qmul_avx2(wkv_kern *k);
void wkv_kern_init_qmul_vnni(wkv_kern *k);
void wkv_kern_init_qmul_amx(wkv_kern *k);

#endif
