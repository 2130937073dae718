/* train/svd.c - see svd.h.
 *
 * Randomised subspace iteration (Halko, Martinsson, Tropp, arXiv 0909.4061): a few more random
 * directions than values are wanted go through W and back until they span its principal ones;
 * what W is within that small space, one-sided Jacobi rotations take apart exactly.  Vectors
 * lie in rows, so that the products with W are the device's. */
#include "train/svd.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"

enum { EXTRA = 8, PASSES = 5, MOST_SWEEPS = 30 };

typedef struct subspace {
    int p;         /* directions */
    size_t in, out;
    real *Z, *Q;   /* (p, in), (p, out) */
    int *order;    /* of the rows, by value */
    double *value; /* singular values, once they are known */
} subspace;

static double dot(const real *a, const real *b, size_t n)
{
    double s[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            s[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < n; i++)
        s[0] += (double)a[i] * (double)b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* a = c a - s b, b = s a + c b */
static void rotate(real *a, real *b, size_t n, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i], y = (double)b[i];
        a[i] = (real)(c * x - s * y);
        b[i] = (real)(s * x + c * y);
    }
}

/* Gram and Schmidt, twice, which is enough; a row that depends on those before becomes 0. */
static void orthonormalise(real *v, int rows, size_t n)
{
    for (int i = 0; i < rows; i++) {
        real *row = v + (size_t)i * n;
        const double before = sqrt(dot(row, row, n));
        for (int turn = 0; turn < 2; turn++)
            for (int j = 0; j < i; j++) {
                const real *other = v + (size_t)j * n;
                const double d = dot(row, other, n);
                for (size_t c = 0; c < n; c++)
                    row[c] -= (real)(d * (double)other[c]);
            }
        const double norm = sqrt(dot(row, row, n));
        const double scale = norm > 1e-6 * before ? 1 / norm : 0;
        for (size_t c = 0; c < n; c++)
            row[c] = (real)(scale * (double)row[c]);
    }
}

/* Turns pairs of rows of Z, and with them those of Q, until all of Z's are at right angles. */
static void diagonalise(subspace *s)
{
    bool turned = true;
    for (int sweep = 0; turned && sweep < MOST_SWEEPS; sweep++) {
        turned = false;
        for (int i = 0; i < s->p; i++)
            for (int j = i + 1; j < s->p; j++) {
                real *a = s->Z + (size_t)i * s->in, *b = s->Z + (size_t)j * s->in;
                const double aa = dot(a, a, s->in), bb = dot(b, b, s->in), ab = dot(a, b, s->in);
                if (!(fabs(ab) > 1e-7 * sqrt(aa * bb)))
                    continue;
                const double zeta = (bb - aa) / (2 * ab);
                const double t = copysign(1 / (fabs(zeta) + sqrt(1 + zeta * zeta)), zeta);
                const double c = 1 / sqrt(1 + t * t);
                rotate(a, b, s->in, c, c * t);
                rotate(s->Q + (size_t)i * s->out, s->Q + (size_t)j * s->out, s->out, c, c * t);
                turned = true;
            }
    }
}

/* Everything that the device has a part in; measures when x does. */
static void iterate(wkv_exec *x, const subspace *s, const wkv_weight *W)
{
    for (int pass = 0; pass < PASSES; pass++) {
        x->dev->matmul(x, s->Q, s->Z, W, s->p, false);
        if (!wkv_exec_measuring(x))
            orthonormalise(s->Q, s->p, s->out);
        x->dev->matmul_bwd(x, s->Z, s->Q, NULL, W, s->p, false);
    }
}

static void sort_rows(subspace *s)
{
    for (int i = 0; i < s->p; i++) {
        const real *row = s->Z + (size_t)i * s->in;
        const double value = sqrt(dot(row, row, s->in));
        int at = i;
        for (; at > 0 && s->value[at - 1] < value; at--) {
            s->value[at] = s->value[at - 1];
            s->order[at] = s->order[at - 1];
        }
        s->value[at] = value;
        s->order[at] = i;
    }
}

static void put_factors(const subspace *s, int k, wkv_rng *rng, real *A, real *B)
{
    for (int i = 0; i < k; i++) {
        const double value = s->value[i], root = sqrt(value);
        const bool none = !(value > 1e-7 * s->value[0]);
        const real *z = s->Z + (size_t)s->order[i] * s->in;
        const real *q = s->Q + (size_t)s->order[i] * s->out;
        for (size_t c = 0; c < s->in; c++)
            A[(size_t)i * s->in + c] = (real)(none ? wkv_rng_normal(rng) / sqrt((double)s->in)
                                                   : (double)z[c] / root);
        for (size_t o = 0; o < s->out; o++)
            B[o * (size_t)k + (size_t)i] = none ? 0 : (real)((double)q[o] * root);
    }
}

static bool take_memory(subspace *s, const wkv_exec *x, const wkv_weight *W)
{
    const int most = W->rows < W->cols ? W->rows : W->cols;
    s->p = s->p < most ? s->p : most;
    s->in = (size_t)W->cols;
    s->out = (size_t)W->rows;
    s->Z = wkv_malloc_aligned((size_t)s->p * s->in * sizeof *s->Z);
    s->Q = wkv_malloc_aligned((size_t)s->p * s->out * sizeof *s->Q);
    s->order = wkv_calloc((size_t)s->p, sizeof *s->order);
    s->value = wkv_calloc((size_t)s->p, sizeof *s->value);
    wkv_exec measuring = *x;
    wkv_arena_measure(x->scratch);
    iterate(&measuring, s, W);
    return s->Z != NULL && s->Q != NULL && s->order != NULL && s->value != NULL &&
           wkv_arena_init(x->scratch, x->scratch->peak);
}

wkv_status wkv_svd_principal(const wkv_dev *dev, const wkv_weight *W, int k, uint64_t seed, real *A,
                             real *B, wkv_error *err)
{
    wkv_arena scratch = {0};
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    wkv_rng rng;
    wkv_weight frozen = *W;
    frozen.grad = NULL;
    frozen.lora = NULL;
    wkv_rng_seed(&rng, seed);
    subspace s = {.p = k + EXTRA};
    const bool ok = take_memory(&s, &x, &frozen);
    if (ok) {
        for (size_t i = 0; i < (size_t)s.p * s.in; i++)
            s.Z[i] = (real)wkv_rng_normal(&rng);
        iterate(&x, &s, &frozen);
        diagonalise(&s);
        sort_rows(&s);
        put_factors(&s, k, &rng, A, B);
    }
    wkv_arena_deinit(&scratch);
    wkv_free(s.value);
    wkv_free(s.order);
    wkv_free_aligned(s.Q);
    wkv_free_aligned(s.Z);
    if (!ok)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the singular values of a matrix [%d, %d]",
                 W->rows, W->cols);
    return WKV_OK;
}
