/* model/compare.c - two files, tensor by tensor.
 *
 * Both are read in the canonical form, so that a model agrees with what it became in any
 * other format; dimensions of one count for nothing, since formats drop them. */
#include <math.h>
#include <string.h>

#include "arch/arch.h"
#include "model/range.h"

enum { PIECE = 1 << 9 }; /* a multiple of every block; two fit into the stack of any thread */

typedef struct comparing {
    wkv_store *a, *b;
    double tolerance;
    void (*report)(void *user, const wkv_comparison *c);
    void *user;
} comparing;

static bool same_shape(const wkv_tensor *a, const wkv_tensor *b)
{
    int64_t x[WKV_MAX_DIMS], y[WKV_MAX_DIMS];
    const int n = wkv_shape_squeeze(x, a);
    return n == wkv_shape_squeeze(y, b) && memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

static bool same_bits(const wkv_tensor *a, const wkv_tensor *b)
{
    uint8_t x[PIECE * 16], y[PIECE * 16];
    const wkv_dtype_info *info = wkv_dtype_of(a->dtype);
    const int64_t count = wkv_tensor_count(a);
    if (a->dtype != b->dtype)
        return false;
    for (int64_t i = 0; i < count; i += PIECE) {
        const int64_t n = count - i < PIECE ? count - i : PIECE;
        wkv_tensor_read(x, a, a->dtype, i, n);
        wkv_tensor_read(y, b, a->dtype, i, n);
        if (memcmp(x, y, (size_t)(n / info->block * info->bytes)) != 0)
            return false;
    }
    return true;
}

/* |x - y|, infinite where one is no number and the other is. */
static double distance(double x, double y)
{
    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y) ? 0 : INFINITY;
    return x == y ? 0 : fabs(x - y);
}

static void measure(wkv_comparison *c, const wkv_tensor *a, const wkv_tensor *b)
{
    double x[PIECE], y[PIECE], largest = 0;
    const int64_t count = wkv_tensor_count(a);
    for (int64_t i = 0; i < count; i += PIECE) {
        const int64_t n = count - i < PIECE ? count - i : PIECE;
        wkv_tensor_read(x, a, WKV_DTYPE_F64, i, n);
        wkv_tensor_read(y, b, WKV_DTYPE_F64, i, n);
        for (int64_t j = 0; j < n; j++) {
            const double d = distance(x[j], y[j]);
            c->max_abs = d > c->max_abs ? d : c->max_abs;
            largest = isfinite(x[j]) && fabs(x[j]) > largest ? fabs(x[j]) : largest;
        }
    }
    c->max_rel = c->max_abs == 0 ? 0 : largest > 0 ? c->max_abs / largest : INFINITY;
}

static void compare(const comparing *k, const wkv_tensor *a, const wkv_tensor *b)
{
    wkv_file_tensor shown_a, shown_b;
    wkv_tensor_show(&shown_a, a);
    wkv_tensor_show(&shown_b, b);
    wkv_comparison c = {.a = &shown_a, .b = &shown_b};
    if (!same_shape(a, b)) {
        c.agreement = WKV_OTHER_SHAPE;
    } else if (same_bits(a, b)) {
        c.agreement = WKV_SAME_BITS;
    } else if (!wkv_dtype_is_weight(a->dtype) || !wkv_dtype_is_weight(b->dtype)) {
        /* Integers that differ, or that the other file keeps as something else. */
        c.agreement = a->dtype == b->dtype ? WKV_FAR : WKV_OTHER_SHAPE;
        c.max_abs = c.max_rel = INFINITY;
    } else {
        measure(&c, a, b);
        c.agreement = c.max_abs == 0              ? WKV_SAME_VALUES
                      : c.max_rel <= k->tolerance ? WKV_CLOSE
                                                  : WKV_FAR;
    }
    k->report(k->user, &c);
}

static void compare_all(const comparing *k)
{
    wkv_file_tensor shown;
    for (size_t i = 0; i < wkv_store_count(k->a); i++) {
        const wkv_tensor *a = wkv_store_at(k->a, i), *b = wkv_store_find(k->b, a->name);
        wkv_tensor_show(&shown, a);
        const wkv_comparison alone = {.agreement = WKV_ONLY_FIRST, .a = &shown};
        if (b != NULL)
            compare(k, a, b);
        else
            k->report(k->user, &alone);
    }
    for (size_t i = 0; i < wkv_store_count(k->b); i++) {
        const wkv_tensor *b = wkv_store_at(k->b, i);
        wkv_tensor_show(&shown, b);
        const wkv_comparison alone = {.agreement = WKV_ONLY_SECOND, .b = &shown};
        if (wkv_store_find(k->a, b->name) == NULL)
            k->report(k->user, &alone);
    }
}

wkv_status wkv_compare(const char *a, const char *b, double tolerance,
                       void (*report)(void *user, const wkv_comparison *c), void *user,
                       wkv_error *err)
{
    comparing k = {.tolerance = tolerance, .report = report, .user = user};
    if (!(tolerance >= 0))
        WKV_FAIL(err, WKV_E_ARGUMENT, "the tolerance is %g; 0 or more was expected", tolerance);
    wkv_status status = wkv_store_open(&k.a, a, err);
    if (status == WKV_OK)
        status = wkv_store_open(&k.b, b, err);
    if (status == WKV_OK)
        compare_all(&k);
    wkv_store_close(&k.a);
    wkv_store_close(&k.b);
    return status;
}
