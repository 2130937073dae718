/* base/real.h - the number type of the arithmetic: float, or double in the
 * `double` build, where gradients are held against finite differences.
 * Mathematics is written once with <tgmath.h> and follows the type. */
#ifndef WKV_BASE_REAL_H
#define WKV_BASE_REAL_H

#include "base/dtype.h"

#ifdef WKV_DOUBLE
typedef double real;
#define WKV_DTYPE_REAL WKV_DTYPE_F64
#define wkv_dtype_to_real wkv_dtype_to_f64
#define REAL_C(x) x
#else
typedef float real;
#define WKV_DTYPE_REAL WKV_DTYPE_F32
#define wkv_dtype_to_real wkv_dtype_to_f32
#define REAL_C(x) x##f
#endif

#endif
