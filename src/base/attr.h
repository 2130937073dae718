/* base/attr.h - the only place for compiler extensions outside the ISA files. */
#ifndef WKV_BASE_ATTR_H
#define WKV_BASE_ATTR_H

/* 1 where AddressSanitizer watches. */
#if defined(__SANITIZE_ADDRESS__)
#define WKV_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WKV_ASAN 1
#endif
#endif
#ifndef WKV_ASAN
#define WKV_ASAN 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WKV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define WKV_LIKELY(x) __builtin_expect(!!(x), 1)
#define WKV_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Asks for the memory at p; p need not be ours to read. */
#define WKV_PREFETCH(p) __builtin_prefetch(p)
/* The same, into the second cache alone. */
#define WKV_PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2)
/* In a loop that looks at a word until another thread changes it. */
#if defined(__x86_64__)
#define WKV_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define WKV_PAUSE() __asm__ volatile("yield")
#else
#define WKV_PAUSE() ((void)0)
#endif
/* The place of the lowest bit of a number of 64 bits, not 0, that is set. */
#define WKV_LOWEST_BIT(x) ((unsigned)__builtin_ctzll(x))
#define WKV_UNUSED __attribute__((unused))
#define WKV_INLINE static inline __attribute__((always_inline))
#define WKV_NOINLINE __attribute__((noinline))
__extension__ typedef unsigned __int128 wkv_u128;
/* Numbers that operators take at once, on every processor. */
typedef float wkv_f32x4 __attribute__((vector_size(16)));
typedef int wkv_i32x4 __attribute__((vector_size(16)));
typedef unsigned wkv_u32x4 __attribute__((vector_size(16)));
typedef unsigned short wkv_u16x8 __attribute__((vector_size(16)));
/* As many of the n numbers of a, 0 to n - 1, and of b, n to 2 n - 1. */
#if defined(__clang__)
#define WKV_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define WKV_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (__typeof__(a)){__VA_ARGS__})
#endif
#else
#error "wkv needs GCC or Clang (128-bit integers, attributes)"
#endif

#endif
