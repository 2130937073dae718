/* Singular values of matrices that were made of known ones; the best matrix of a rank; matrices
 * that are flat, tall, of low rank, or zero. */
#include <math.h>

#include "base/rng.h"
#include "test.h"
#include "train/svd.h"

/* rows orthonormal vectors of n numbers. */
static void orthonormal(double *v, int rows, int n, wkv_rng *rng)
{
    for (int i = 0; i < rows; i++) {
        for (int c = 0; c < n; c++)
            v[i * n + c] = wkv_rng_normal(rng);
        for (int turn = 0; turn < 2; turn++)
            for (int j = 0; j < i; j++) {
                double d = 0;
                for (int c = 0; c < n; c++)
                    d += v[i * n + c] * v[j * n + c];
                for (int c = 0; c < n; c++)
                    v[i * n + c] -= d * v[j * n + c];
            }
        double norm = 0;
        for (int c = 0; c < n; c++)
            norm += v[i * n + c] * v[i * n + c];
        for (int c = 0; c < n; c++)
            v[i * n + c] /= sqrt(norm);
    }
}

/* W = U diag(value) V^T with `full` values; its k principal ones are found. */
static void check(int rows, int cols, const double *value, int full, int k)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 8);
    double *u = malloc((size_t)(full * rows) * sizeof *u);
    double *v = malloc((size_t)(full * cols) * sizeof *v);
    real *w = calloc((size_t)(rows * cols), sizeof *w);
    real *A = malloc((size_t)(k * cols) * sizeof *A), *B = malloc((size_t)(k * rows) * sizeof *B);
    orthonormal(u, full, rows, &rng);
    orthonormal(v, full, cols, &rng);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            double sum = 0;
            for (int i = 0; i < full; i++)
                sum += value[i] * u[i * rows + r] * v[i * cols + c];
            w[r * cols + c] = (real)sum;
        }
    const wkv_weight W = {.data = w, .dtype = WKV_DTYPE_REAL, .rows = rows, .cols = cols};
    for (int threads = 1; threads <= 2; threads++) {
        wkv_dev *dev;
        assert_int_equal(wkv_dev_open_cpu(&dev, threads, NULL), WKV_OK);
        assert_int_equal(wkv_svd_principal(dev, &W, k, 7, A, B, NULL), WKV_OK);
        wkv_dev_close(&dev);
        double error = 0, best = 0;
        for (int i = k; i < full; i++)
            best += value[i] * value[i];
        for (int i = 0; i < k; i++) {
            double a = 0, b = 0;
            for (int c = 0; c < cols; c++)
                a += (double)A[i * cols + c] * (double)A[i * cols + c];
            for (int r = 0; r < rows; r++)
                b += (double)B[r * k + i] * (double)B[r * k + i];
            const double want = i < full ? value[i] : 0;
            if (fabs(sqrt(a * b) - want) > 2e-4 * value[0])
                fail_msg("[%d, %d], k %d: value %d is %.6g, expected %.6g", rows, cols, k, i,
                         sqrt(a * b), want);
            assert_true(i >= full || fabs(a - b) < 1e-3 * value[0]); /* shared evenly */
        }
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < cols; c++) {
                double left = (double)w[r * cols + c];
                for (int i = 0; i < k; i++)
                    left -= (double)B[r * k + i] * (double)A[i * cols + c];
                error += left * left;
            }
        if (fabs(sqrt(error) - sqrt(best)) > 1e-3 * value[0])
            fail_msg("[%d, %d], k %d: %.6g is left, the least is %.6g", rows, cols, k, sqrt(error),
                     sqrt(best));
    }
    free(u);
    free(v);
    free(w);
    free(A);
    free(B);
}

static void known_values(void **state)
{
    static const double falling[] = {9, 5, 4.9, 3, 2, 1.5, 1, 0.5, 0.3, 0.2, 0.15, 0.1,
                                     0.1, 0.08, 0.05, 0.04, 0.02, 0.01, 0.005, 0.001};
    static const double equal[] = {2, 2, 2, 2};
    check(40, 30, falling, 20, 4);
    check(30, 70, falling, 20, 6);
    check(100, 20, falling, 20, 1);
    check(24, 24, falling, 20, 20);
    check(12, 60, equal, 4, 4);
    check(50, 40, falling, 3, 5); /* of less rank than is asked for */
    check(5, 9, equal, 4, 5);     /* all there are */
    check(1, 7, equal, 1, 1);
}

static void zero(void **state)
{
    enum { ROWS = 6, COLS = 8, K = 3 };
    real w[ROWS * COLS] = {0}, A[K * COLS], B[ROWS * K];
    const wkv_weight W = {.data = w, .dtype = WKV_DTYPE_REAL, .rows = ROWS, .cols = COLS};
    wkv_dev *dev;
    assert_int_equal(wkv_dev_open_cpu(&dev, 1, NULL), WKV_OK);
    assert_int_equal(wkv_svd_principal(dev, &W, K, 7, A, B, NULL), WKV_OK);
    for (int i = 0; i < ROWS * K; i++)
        assert_true(B[i] == 0);
    for (int i = 0; i < K; i++)
        assert_true(A[i * COLS] != 0); /* or nothing could ever be learnt */
    wkv_dev_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(zero),
    };
    return cmocka_run_group_tests_name("svd", tests, NULL, NULL);
}
