/* tests/api/api.h - what the tests of the public interface share: opening or failing with
 * the library's own sentence, reproducible token ids, and comparing logits. */
#ifndef WKV_TESTS_API_H
#define WKV_TESTS_API_H

#include <math.h>
#include <wkv/wkv.h>

#include "support/tiny_model.h"
#include "test.h"

static inline void must(wkv_status status, const wkv_error *err)
{
    if (status != WKV_OK)
        fail_msg("%s: %s", wkv_status_name(status), err->text);
}

/* The call fails as expected, and its sentence names what it is about. */
static inline void must_fail(wkv_status got, wkv_status want, const wkv_error *err,
                             const char *names)
{
    if (got != want)
        fail_msg("expected %s, found %s: %s", wkv_status_name(want), wkv_status_name(got),
                 got != WKV_OK ? err->text : "");
    assert_int_equal(err->code, want);
    if (strstr(err->text, names) == NULL)
        fail_msg("the error does not name %s: %s", names, err->text);
}

static inline wkv_model *open_model(const char *path, int threads)
{
    wkv_error err;
    wkv_model *m = NULL;
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.threads = threads;
    must(wkv_model_open(&m, path, &o, &err), &err);
    return m;
}

static inline wkv_session *open_session(const wkv_model *m)
{
    wkv_error err;
    wkv_session *s = NULL;
    must(wkv_session_open(&s, m, &err), &err);
    return s;
}

static inline int32_t vocab_of(const wkv_model *m)
{
    wkv_model_info info;
    wkv_model_describe(m, &info);
    return info.vocab;
}

/* n ids below vocab, the same each time. */
static inline void fill_ids(int32_t *ids, size_t n, int32_t vocab, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)((x >> 8) % (uint32_t)vocab);
    }
}

static inline void feed(wkv_session *s, const int32_t *ids, size_t n)
{
    assert_int_equal(wkv_session_feed(s, ids, n), WKV_OK);
}

/* The largest difference over the largest value. */
static inline double relative_difference(const float *a, const float *b, int32_t n)
{
    double most = 0, largest = 0;
    for (int32_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]) && isfinite(b[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    assert_true(largest > 0);
    return most / largest;
}

static inline void must_be_same_bits(const float *a, const float *b, int32_t n)
{
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
}

#endif
