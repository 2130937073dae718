/* tests/kern/checkkern.h - what the checks of single kernels share.
 *
 * Every line of kern.def needs a check_<name>, or checkkern does not link.  A check is
 * called many times, once for each size and kind of input, with the table of the level
 * under test; it runs that level's kernel and the reference on equal inputs and
 * compares.  Arrays live until the end of the call, start one element off any vector
 * boundary and end with their last element, so that a sanitizer sees reads beyond;
 * outputs have canaries behind them instead. */
#ifndef WKV_TESTS_CHECKKERN_H
#define WKV_TESTS_CHECKKERN_H

#include "alone.h"
#include "base/rng.h"
#include "kern/kern.h"

/* Rounding error of one operation. */
#define EPS ((double)(sizeof(real) == 4 ? 0x1p-24 : 0x1p-53))

typedef enum input_kind {
    NORMAL, /* standard normal */
    ZERO,
    DENORMAL, /* far below the smallest normal float */
    OUTLIER,  /* small, with one value a million times larger */
    WITH_NAN, /* normal, one of them NaN */
    EXTREME,  /* infinities, largest and smallest numbers, where exp over- and underflows */
    INPUT_KINDS
} input_kind;

enum { MAX_ARRAYS = 64 };

typedef struct check {
    const wkv_kern *k; /* the level under test */
    input_kind kind;   /* of the inputs that input() makes */
    size_t n;          /* the size of this call */
    wkv_rng rng;
    bool lines; /* the arrays to come begin where lines of memory do */
    struct {
        void *block;
        size_t bytes;
        bool guarded;
    } arrays[MAX_ARRAYS];
    int n_arrays;
} check;

#define KERN(name, ret, args) void check_##name(check *c);
#include "kern/kern.def"
#undef KERN

/* Uniform in lo..hi. */
int pick(check *c, int lo, int hi);

/* n values of the call's kind; of a given kind. */
real *input(check *c, size_t n);
real *input_of(check *c, size_t n, input_kind kind);
/* n values between lo and hi. */
real *between(check *c, size_t n, double lo, double hi);
/* An output: garbage to begin with, guarded. */
real *output(check *c, size_t n);
/* A guarded copy, for what a kernel changes in place. */
real *inout(check *c, const real *x, size_t n);
uint16_t *halves(check *c, size_t n);
/* Guarded room for anything, aligned for numbers of up to 8 bytes. */
void *bytes(check *c, size_t n);
real *absolute(check *c, const real *x, size_t n);
/* The largest finite absolute value. */
double largest(const real *x, size_t n);
/* Checks the canaries and frees everything. */
void end_call(check *c);

/* ---- comparison classes: fail the test with the place that differs --------------------------- */

void same(const char *what, const real *got, const real *want, size_t n);
/* At most `ulps` floats apart, or below `least` both. */
void within_ulps(const char *what, const real *got, const real *want, size_t n, int ulps,
                 double least);
/* |got - want| <= tolerance times the largest finite |want| of the n. */
void within_scale(const char *what, const real *got, const real *want, size_t n, double tolerance);
/* |got - want| <= bound */
void within_bound(const char *what, const real *got, const real *want, size_t n, double bound);
/* |got - want| <= factor * EPS * magnitude: the error bound of a sum whose terms' absolute
 * values add up to magnitude. */
void within_sum(const char *what, const real *got, const real *want, const real *magnitude,
                size_t n, double factor);
void close_to(const char *what, double got, double want, double tolerance);

/* ---- heads ----------------------------------------------------------------------------------- */

/* Rows of C channels in heads of N; all = rows * C. */
typedef struct shape {
    int rows, C, N;
    size_t all, cols;
} shape;

/* N for a call, by its size: 1 to 70, or 128, or 150. */
int head_size(const check *c);
shape draw_shape(check *c);
/* Between rows of N.  Where these can be whole lines of memory, all arrays of half the calls are.
 */
int draw_stride(check *c, int N);
/* within_scale, head by head, so that a NaN or an outlier in one hides nothing in another. */
void within_heads(const char *what, const real *got, const real *want, shape s, double tolerance);

/* Steps of a recurrence: few, or for one size 4,096, where an error that grows would show. */
int draw_steps(check *c);
/* States that a recurrence of T steps keeps. */
size_t count_chunks(int T);

#endif
