/* kern/simd/simd.h - what kern.c knows of the vector kernels: their families.
 *
 * A family is one template (<family>_tmpl.h) compiled once for each instruction set by
 * <family>_<isa>.c, whose only external symbol is the init function declared here; it
 * sets the pointers of the kernels it has and touches nothing else. */
#ifndef WKV_KERN_SIMD_H
#define WKV_KERN_SIMD_H

#include "kern/kern.h"

#define WKV_KERN_FAMILIES(X, isa) \
    X(vec, isa) X(norm, isa) X(mix, isa) X(aft, isa) X(wkv4, isa) X(wkv6, isa) X(wkv7, isa) \
    X(gemv, isa) X(gemm, isa) X(rwkv6, isa) X(rwkv7, isa) X(loss, isa) X(adamw, isa)

#define WKV_KERN_INIT(name, isa) void wkv_kern_init_##name##_##isa(wkv_kern *k);
WKV_KERN_FAMILIES(WKV_KERN_INIT, avx2)
WKV_KERN_FAMILIES(WKV_KERN_INIT, avx512)
WKV_KERN_FAMILIES(WKV_KERN_INIT, neon)

/* Products of bytes, which plain AVX-512 does no better than AVX2. */
WKV_KERN_INIT(qmul, avx2)
WKV_KERN_INIT(qmul, avxvnni)
WKV_KERN_INIT(qmul, vnni)
WKV_KERN_INIT(qmul, amx)
WKV_KERN_INIT(tile, amx)
WKV_KERN_INIT(gemm, amx)
WKV_KERN_INIT(qmul, neon)
WKV_KERN_INIT(qmul, dotprod)
WKV_KERN_INIT(qmul, i8mm)

#endif
