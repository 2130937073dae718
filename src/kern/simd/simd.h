/* kern/simd/simd.h - what kern.c knows of the vector kernels: their families.
 *
 * A family is one template (<family>_tmpl.h) compiled once for each instruction set by
 * <family>_<isa>.c, whose only external symbol is the init function declared here; it
 * sets the pointers of the kernels it has and touches nothing else. */
#ifndef WKV_KERN_SIMD_H
#define WKV_KERN_SIMD_H

#include "kern/kern.h"

#define WKV_KERN_FAMILIES(X, level, isa) \
    X(level, vec, isa) X(level, norm, isa) X(level, mix, isa) X(level, aft, isa) \
    X(level, wkv4, isa) X(level, wkv6, isa) X(level, wkv7, isa) \
    X(level, gemv, isa) X(level, gemm, isa) X(level, rwkv6, isa) X(level, rwkv7, isa) \
    X(level, loss, isa) X(level, adamw, isa)

/* What each level adds to those below it, from the lowest up: X(LEVEL, family, isa).  Products of
 * bytes (qmul) are not in plain AVX-512, which does them no better than AVX2. */
#if defined(WKV_KERN_X86)
#define WKV_KERN_ADDITIONS(X) \
    WKV_KERN_FAMILIES(X, AVX2, avx2) \
    X(AVX2, qmul, avx2) \
    X(AVXVNNI, qmul, avxvnni) \
    WKV_KERN_FAMILIES(X, AVX512, avx512) \
    X(VNNI, qmul, vnni) \
    X(AMX, qmul, amx) X(AMX, tile, amx) X(AMX, gemm, amx)
#elif defined(WKV_KERN_ARM)
#define WKV_KERN_ADDITIONS(X) \
    WKV_KERN_FAMILIES(X, NEON, neon) \
    X(NEON, qmul, neon) \
    X(DOTPROD, qmul, dotprod) \
    X(I8MM, qmul, i8mm)
#else
#define WKV_KERN_ADDITIONS(X)
#endif

#define WKV_KERN_INIT(level, family, isa) void wkv_kern_init_##family##_##isa(wkv_kern *k);
WKV_KERN_ADDITIONS(WKV_KERN_INIT)
#undef WKV_KERN_INIT

#endif
