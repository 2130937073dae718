/* tests/kern/checkkern.c - every kernel of every level against the reference.
 *
 * Walks kern.def; prints which level has a version of its own of which kernel.  Levels
 * above what the processor (or WKV_CPU) allows are left out.  Needs the C library alone. */
#include "checkkern.h"

#include <float.h>
#include <math.h>

#include "base/attr.h"

/* ---- memory ------------------------------------------------------------------------------ */

enum { LINE = 64, GUARD = LINE, CANARY = 0xa5 };

/* A sanitizer sees who writes behind an array, and who reads there, too: it needs no guards. */
enum { GUARDS = !WKV_ASAN };

/* bytes of memory, sizeof(unit) past an address where a line begins, or at such a one; not a byte
 * more, or a sanitizer would not see who reads it. */
static void *allocate(check *c, size_t bytes, size_t unit, bool guarded)
{
    assert_true(c->n_arrays < MAX_ARRAYS);
    const bool guard = guarded && GUARDS;
    const size_t past = c->lines ? 0 : unit, all = past + bytes + (guard ? GUARD : 0);
    void *block = NULL;
    if (posix_memalign(&block, LINE, all > 0 ? all : 1) != 0)
        block = NULL;
    assert_non_null(block);
    unsigned char *p = block;
    memset(p, CANARY, all);
    c->arrays[c->n_arrays].block = p;
    c->arrays[c->n_arrays].bytes = past + bytes;
    c->arrays[c->n_arrays++].guarded = guard;
    return p + past;
}

void end_call(check *c)
{
    while (c->n_arrays > 0) {
        unsigned char *p = c->arrays[--c->n_arrays].block;
        for (size_t i = 0; c->arrays[c->n_arrays].guarded && i < GUARD; i++)
            if (p[c->arrays[c->n_arrays].bytes + i] != CANARY)
                fail_msg("wrote %zu bytes past the end of an output", i + 1);
        free(p);
    }
    c->lines = false;
}

/* ---- inputs -------------------------------------------------------------------------------- */

int pick(check *c, int lo, int hi)
{
    return lo + (int)(wkv_rng_uniform(&c->rng) * (hi - lo + 1));
}

static double extreme(check *c)
{
    static const double values[] = {0.0,   1.0,   INFINITY, FLT_MAX, FLT_MIN, 1e-45,
                                    1e-30, 1e30,  86.9,     88.7,    88.73,   89.5,
                                    103.9, 104.1, 120.0,    0.3465,  0.3466};
    double v = values[pick(c, 0, (int)(sizeof values / sizeof *values) - 1)];
    return pick(c, 0, 1) ? v : -v;
}

real *input_of(check *c, size_t n, input_kind kind)
{
    real *x = allocate(c, n * sizeof *x, sizeof *x, false);
    for (size_t i = 0; i < n; i++) {
        double v = wkv_rng_normal(&c->rng);
        if (kind == ZERO)
            v = 0;
        else if (kind == DENORMAL)
            v *= 1e-40;
        else if (kind == OUTLIER)
            v *= 1e-3;
        else if (kind == EXTREME)
            v = extreme(c);
        x[i] = (real)v;
    }
    if (n > 0 && kind == OUTLIER)
        x[(size_t)pick(c, 0, (int)n - 1)] = 1e3;
    if (n > 0 && kind == WITH_NAN)
        x[(size_t)pick(c, 0, (int)n - 1)] = (real)NAN;
    return x;
}

real *input(check *c, size_t n)
{
    return input_of(c, n, c->kind);
}

real *between(check *c, size_t n, double lo, double hi)
{
    real *x = input_of(c, n, ZERO);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(lo + (hi - lo) * wkv_rng_uniform(&c->rng));
    return x;
}

real *output(check *c, size_t n)
{
    return allocate(c, n * sizeof(real), sizeof(real), true);
}

real *inout(check *c, const real *x, size_t n)
{
    real *p = output(c, n);
    memcpy(p, x, n * sizeof *p);
    return p;
}

uint16_t *halves(check *c, size_t n)
{
    return allocate(c, n * sizeof(uint16_t), sizeof(uint16_t), false);
}

void *bytes(check *c, size_t n)
{
    return allocate(c, n, sizeof(double), true);
}

real *absolute(check *c, const real *x, size_t n)
{
    real *p = inout(c, x, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (real)fabs((double)p[i]);
    return p;
}

/* ---- comparisons ------------------------------------------------------------------------------
 */

/* Equal, both NaN included; what is left to judge is finite against anything. */
static bool alike(real got, real want)
{
    return got == want || (got != got && want != want);
}

static void differ(const char *what, size_t i, real got, real want)
{
    fail_msg("%s[%zu] is %.9g, reference %.9g", what, i, (double)got, (double)want);
}

void same(const char *what, const real *got, const real *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!alike(got[i], want[i]))
            differ(what, i, got[i], want[i]);
}

void within_ulps(const char *what, const real *got, const real *want, size_t n, int ulps,
                 double least)
{
    for (size_t i = 0; i < n; i++) {
        double w = fabs((double)want[i]), g = fabs((double)got[i]);
        double ulp = 2 * EPS * exp2(floor(log2(fmax(w, FLT_MIN))));
        bool near = fabs((double)got[i] - (double)want[i]) <= ulps * ulp;
        if (!alike(got[i], want[i]) && !near && !(w < least && g < least))
            differ(what, i, got[i], want[i]);
    }
}

double largest(const real *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            most = fmax(most, fabs((double)x[i]));
    return most;
}

void within_bound(const char *what, const real *got, const real *want, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++)
        if (!alike(got[i], want[i]) && !(fabs((double)got[i] - (double)want[i]) <= bound + FLT_MIN))
            differ(what, i, got[i], want[i]);
}

void within_scale(const char *what, const real *got, const real *want, size_t n, double tolerance)
{
    within_bound(what, got, want, n, tolerance * largest(want, n));
}

void within_sum(const char *what, const real *got, const real *want, const real *magnitude,
                size_t n, double factor)
{
    for (size_t i = 0; i < n; i++) {
        double bound = factor * EPS * (double)magnitude[i] + FLT_MIN;
        if (!alike(got[i], want[i]) && !(fabs((double)got[i] - (double)want[i]) <= bound))
            differ(what, i, got[i], want[i]);
    }
}

void close_to(const char *what, double got, double want, double tolerance)
{
    bool both_nan = got != got && want != want;
    if (!both_nan && got != want && !(fabs(got - want) <= tolerance))
        fail_msg("%s is %.17g, reference %.17g", what, got, want);
}

/* ---- heads ---------------------------------------------------------------------------------- */

int head_size(const check *c)
{
    if (c->n >= 256) /* more than one block of AVX-512, whole lines or not */
        return c->n == 256 ? 128 : 150;
    return (int)(c->n % 70) + 1;
}

int draw_stride(check *c, int N)
{
    const int line = LINE / (int)sizeof(real);
    c->lines = N % line == 0 && pick(c, 0, 1) == 1;
    return N + pick(c, 0, 2) * (c->lines ? line : 1);
}

shape draw_shape(check *c)
{
    int N = head_size(c), H = pick(c, 1, 3), rows = pick(c, 1, 4);
    return (shape){rows, H * N, N, (size_t)(rows * H * N), (size_t)(H * N)};
}

void within_heads(const char *what, const real *got, const real *want, shape s, double tolerance)
{
    for (size_t i = 0; i < s.all; i += (size_t)s.N)
        within_scale(what, got + i, want + i, (size_t)s.N, tolerance);
}

int draw_steps(check *c)
{
    return c->kind == NORMAL && c->n == 63 ? 4096 : pick(c, 1, 40);
}

size_t count_chunks(int T)
{
    return (size_t)((T + WKV_WKV7_CHUNK - 1) / WKV_WKV7_CHUNK);
}

/* ---- running ------------------------------------------------------------------------------------
 */

/* One kernel at one level. */
typedef struct job {
    char label[64];
    const char *name;
    void (*run)(check *c);
    size_t offset; /* of its pointer in wkv_kern */
    wkv_cpu_level level;
} job;

typedef void (*any_function)(void);

static bool same_version(size_t offset, wkv_cpu_level a, wkv_cpu_level b)
{
    const char *x = (const char *)wkv_kern_for(a) + offset;
    const char *y = (const char *)wkv_kern_for(b) + offset;
    return memcmp(x, y, sizeof(any_function)) == 0;
}

static bool overridden(const job *j)
{
    return j->level > 0 && !same_version(j->offset, j->level, (wkv_cpu_level)(j->level - 1));
}

static const size_t sizes[] = {1,  2,  3,  5,  7,  8,  9,  15,  16,  17,  31,  32,
                               33, 47, 48, 63, 64, 65, 97, 128, 129, 200, 256, 771};

static void run_job(void *arg)
{
    const job *j = arg;
    check c = {.k = wkv_kern_for(j->level)};
    wkv_rng_seed(&c.rng, 1);
    for (int kind = 0; kind < INPUT_KINDS; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            c.kind = (input_kind)kind;
            c.n = sizes[i];
            j->run(&c);
            end_call(&c);
        }
}

static const job kernels[] = {
#define KERN(name, ret, args) {"", #name, check_##name, offsetof(wkv_kern, name), WKV_CPU_REF},
#include "kern/kern.def"
#undef KERN
};

enum { KERNELS = sizeof kernels / sizeof *kernels };

static void print_levels(wkv_cpu_level highest)
{
    for (size_t i = 0; i < KERNELS; i++) {
        bool any = false;
        printf("  %-22s", kernels[i].name);
        for (int level = 1; level <= (int)highest; level++) {
            job j = kernels[i];
            j.level = (wkv_cpu_level)level;
            any = any || overridden(&j);
            printf(" %-8s", overridden(&j) ? wkv_cpu_level_name(j.level) : "-");
        }
        printf("%s\n", any ? "" : " ref");
    }
}

/* checkkern [LEVEL]: all levels, or the named one alone. */
int main(int argc, char **argv)
{
    wkv_cpu_level highest = wkv_cpu_detect();
    int tests = 0, failed = 0;
    print_levels(highest);
    for (int level = 0; level <= (int)highest; level++)
        for (size_t i = 0; i < KERNELS; i++) {
            job j = kernels[i];
            j.level = (wkv_cpu_level)level;
            const char *name = wkv_cpu_level_name(j.level);
            if ((level > 0 && !overridden(&j)) || (argc > 1 && strcmp(argv[1], name) != 0))
                continue;
            snprintf(j.label, sizeof j.label, "%s, %s", j.name, name);
            tests++;
            failed += !run_alone(j.label, run_job, &j);
        }
    printf("%d tests, %d failed\n", tests, failed);
    return tests == 0 || failed > 0;
}
