/* tests/ops/test_refused.c - products when oneDNN is refused memory: what it does not do, the
 * kernels do.  This program's dnnl_sgemm stands before the library's. */
#include <math.h>
#include <oneapi/dnnl/dnnl.h>

#include "dev/cpu/cpu.h"
#include "dev/cpu/gemm.h"
#include "test.h"

enum { ROWS = 2 * WKV_GEMM_ROWS + 5, COLUMNS = 70, TERMS = 33 };

/* Bit i: whether call i is refused. */
static unsigned refused;
static int calls;

dnnl_status_t dnnl_sgemm(char trans_a, char trans_b, dnnl_dim_t m, dnnl_dim_t n, dnnl_dim_t k,
                         float alpha, const float *A, dnnl_dim_t lda, const float *B,
                         dnnl_dim_t ldb, float beta, float *C, dnnl_dim_t ldc)
{
    assert_true(alpha == 1.0f && (beta == 0.0f || beta == 1.0f));
    if (refused >> calls++ & 1)
        return dnnl_out_of_memory;
    wkv_gemm_ref(C, A, B, (int)m, (int)n, (int)k, (int)lda, (int)ldb, (int)ldc, trans_a == 'T',
                 trans_b == 'T', beta != 0.0f, NULL);
    return dnnl_success;
}

static void draw(real *x, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (real)(int)(seed >> 16) / REAL_C(32768.0) - REAL_C(1.0);
    }
}

static void run(const wkv_dev *dev, const wkv_gemm_args *g)
{
    wkv_arena scratch;
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    wkv_arena_measure(&scratch);
    wkv_gemm_parallel(&x, g, 1);
    assert_true(wkv_arena_init(&scratch, scratch.peak));
    calls = 0;
    wkv_gemm_parallel(&x, g, 1);
    wkv_arena_deinit(&scratch);
}

static void check(const wkv_dev *dev, int form)
{
    static real A[ROWS * TERMS], B[COLUMNS * TERMS], got[ROWS * COLUMNS], want[ROWS * COLUMNS];
    const bool trans_a = form & 1, trans_b = form & 2, accumulate = form & 4;
    draw(A, ROWS * TERMS, 1);
    draw(B, COLUMNS * TERMS, 2);
    draw(want, ROWS * COLUMNS, 3);
    memcpy(got, want, sizeof got);
    const wkv_gemm_args g = {.C = got,
                             .A = A,
                             .B = B,
                             .m = ROWS,
                             .n = COLUMNS,
                             .k = TERMS,
                             .lda = trans_a ? ROWS : TERMS,
                             .ldb = trans_b ? TERMS : COLUMNS,
                             .ldc = COLUMNS,
                             .trans_a = trans_a,
                             .trans_b = trans_b,
                             .accumulate = accumulate};
    run(dev, &g);
    wkv_gemm_ref(want, A, B, g.m, g.n, g.k, g.lda, g.ldb, g.ldc, trans_a, trans_b, accumulate,
                 NULL);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        assert_true(fabs((double)got[i] - (double)want[i]) < 1e-4);
}

/* Every part of a product is refused alone, and all together. */
static void check_level(wkv_cpu_level level)
{
    static const unsigned which[] = {0, 1, 2, 3, ~0u};
    wkv_dev *dev;
    assert_int_equal(wkv_dev_open_cpu_level(&dev, 1, level, NULL), WKV_OK);
    for (int form = 0; form < 8; form++)
        for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
            refused = which[i];
            check(dev, form);
        }
    wkv_dev_close(&dev);
}

static void test_reference(void **state)
{
    check_level(WKV_CPU_REF);
    assert_true(calls > 0);
}

/* Has the kernel's room been set aside, where it works in some? */
static void test_best(void **state)
{
    check_level(wkv_cpu_detect());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
