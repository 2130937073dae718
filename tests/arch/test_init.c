/* tests/arch/test_init.c - initial values: orthogonal matrices are orthogonal, the formulas of
 * the reference give the values worked out by hand, and threads change nothing. */
#include "test.h"

#include <math.h>

#include "arch/blocks.h"

static wkv_dev *open_dev(int threads)
{
    wkv_dev *dev;
    assert_int_equal(wkv_dev_open_cpu(&dev, threads, NULL), WKV_OK);
    return dev;
}

/* gain^2 on the diagonal of the smaller product, nothing beside it. */
static void check_orthogonal(int rows, int cols, double gain)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, 3);
    wkv_dev *dev = open_dev(2);
    real *w = malloc((size_t)rows * (size_t)cols * sizeof *w);
    wkv_init i = {.dev = dev, .rng = &rng, .rows = rows, .cols = cols};
    assert_int_equal(wkv_init_orthogonal(w, &i, gain), WKV_OK);
    bool tall = rows > cols;
    int n = tall ? cols : rows, m = tall ? rows : cols;
    for (int a = 0; a < n; a++)
        for (int b = 0; b <= a; b++) {
            double dot = 0.0;
            for (int k = 0; k < m; k++)
                dot += tall ? (double)w[k * cols + a] * (double)w[k * cols + b]
                            : (double)w[a * cols + k] * (double)w[b * cols + k];
            if (fabs(dot - (a == b ? gain * gain : 0.0)) > 1e-5 * gain * gain)
                fail_msg("%d x %d: vectors %d and %d have the product %g", rows, cols, a, b, dot);
        }
    free(w);
    wkv_dev_close(&dev);
}

static void orthogonal(void **state)
{
    check_orthogonal(1, 1, 2.0);
    check_orthogonal(5, 5, 1.0);
    check_orthogonal(3, 40, 0.1);
    check_orthogonal(64, 65, 1.0);
    check_orthogonal(200, 130, 0.5);
    check_orthogonal(300, 300, 1.0);
}

/* A model's flat weights; the caller frees. */
static real *create(const wkv_arch *arch, int threads, wkv_config *cfg, wkv_weights *w, size_t *n)
{
    const wkv_sizes sizes = {.layers = 3, .width = 64, .head_size = 16, .vocab = 100};
    assert_int_equal(wkv_config_new(cfg, arch, &sizes, NULL), WKV_OK);
    bool *present = calloc((size_t)wkv_params_count(cfg), sizeof *present);
    wkv_params_present(present, cfg, NULL);
    *n = wkv_weights_flat_size(cfg, present);
    real *flat = calloc(*n, sizeof *flat);
    assert_int_equal(wkv_weights_flat(w, cfg, present, flat, NULL, NULL), WKV_OK);
    wkv_dev *dev = open_dev(threads);
    assert_int_equal(wkv_weights_create(w, cfg, dev, 11, 1e-3, NULL), WKV_OK);
    wkv_dev_close(&dev);
    free(present);
    return flat;
}

static void threads(void **state)
{
    wkv_config cfg;
    wkv_weights one, two;
    size_t n;
    for (size_t i = 0; wkv_arch_at(i) != NULL; i++) {
        real *a = create(wkv_arch_at(i), 1, &cfg, &one, &n);
        real *b = create(wkv_arch_at(i), 2, &cfg, &two, &n);
        assert_memory_equal(a, b, n * sizeof *a);
        wkv_weights_deinit(&one);
        wkv_weights_deinit(&two);
        free(a);
        free(b);
    }
}

static const real *values_of(const wkv_weights *w, const wkv_config *cfg, const char *wanted)
{
    for (int i = 0; i < wkv_params_count(cfg); i++) {
        char name[WKV_NAME_MAX];
        int layer;
        wkv_param_name(name, wkv_params_at(cfg, i, &layer), layer);
        if (strcmp(name, wanted) == 0)
            return wkv_vec(wkv_weights_at(w, cfg, i));
    }
    fail_msg("no parameter %s", wanted);
    return NULL;
}

typedef struct value {
    const wkv_arch *arch;
    const char *name;
    int at;
    double want;
} value;

/* Three layers, width 64, heads of 16: l = 1 has l/(L-1) = 1/2 and 1 - l/L = 2/3. */
static void formulas(void **state)
{
    static const value values[] = {
        {&wkv_arch_rwkv7, "blocks.1.att.x_r", 0, 1.0},
        {&wkv_arch_rwkv7, "blocks.1.att.x_r", 32, 0.0882775}, /* 1 - 0.5^(0.2 2/3) */
        {&wkv_arch_rwkv7, "blocks.1.att.x_w", 32, 0.3402460}, /* 1 - 0.5^0.6 */
        {&wkv_arch_rwkv7, "blocks.1.ffn.x_k", 32, 0.1279582}, /* 1 - 0.5^(16/81) */
        {&wkv_arch_rwkv7, "blocks.0.att.w0", 0, -8.0},        /* -6 + 0 + 0.5 - 2.5 */
        {&wkv_arch_rwkv7, "blocks.0.att.w0", 63, 3.0},        /* -6 + 6 + 0.5 + 2.5 */
        {&wkv_arch_rwkv7, "blocks.2.att.a0", 15, 0.0052381},  /* -0.19 + 0.3 + 0.4 (15/63 - 1/2) */
        {&wkv_arch_rwkv7, "blocks.2.att.v0", 63, 0.53},
        {&wkv_arch_rwkv7, "blocks.2.att.k_k", 0, 0.76},
        {&wkv_arch_rwkv7, "blocks.2.att.ln_x.weight", 5, 1.0},
        {&wkv_arch_rwkv7, "blocks.0.att.ln_x.weight", 5, 0.4634631}, /* (1/3)^0.7 */
        {&wkv_arch_rwkv4, "blocks.1.att.time_mix_v", 32, 0.7799605}, /* 0.5^(2/3) + 0.15 */
        {&wkv_arch_rwkv4, "blocks.0.att.time_decay", 63, 3.0},
        {&wkv_arch_rwkv4, "blocks.0.att.time_first", 0, -1.2039728}, /* ln 0.3 */
        {&wkv_arch_rwkv4, "blocks.0.att.time_first", 1, -0.7039728},
        {&wkv_arch_rwkv5, "blocks.2.att.time_decay", 63, -1.0},
        {&wkv_arch_rwkv5, "blocks.2.att.time_faaaa", 0, 1.0},
        {&wkv_arch_rwkv6, "blocks.1.att.time_maa_k", 32, 0.3700395}, /* 1 - 0.5^(2/3) */
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        wkv_config cfg;
        wkv_weights w;
        size_t n;
        real *flat = create(values[i].arch, 1, &cfg, &w, &n);
        double got = (double)values_of(&w, &cfg, values[i].name)[values[i].at];
        if (fabs(got - values[i].want) > 2e-6)
            fail_msg("%s %s[%d]: %.7f, expected %.7f", cfg.arch->name, values[i].name, values[i].at,
                     got, values[i].want);
        wkv_weights_deinit(&w);
        free(flat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orthogonal),
        cmocka_unit_test(threads),
        cmocka_unit_test(formulas),
    };
    return cmocka_run_group_tests_name("initial values", tests, NULL, NULL);
}
