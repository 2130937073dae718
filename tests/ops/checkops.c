/* tests/ops/checkops.c - the driver of the op checks; see ops.h. */
#include <math.h>

#include "device.h"
#include "ops.h"

/* ---- building a case ----------------------------------------------------------------- */

static real *reals(size_t n)
{
    real *p = calloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void randomise(op_case *c, real *p, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (real)(scale * wkv_rng_normal(&c->rng));
}

void case_init(op_case *c, const char *name, int rows, int C, int n_seqs)
{
    *c = (op_case){.name = name, .rows = rows, .C = C};
    wkv_rng_seed(&c->rng, (uint64_t)rows * 1000 + (uint64_t)C);
    for (int b = 1; b <= n_seqs; b++) /* shares of 1, 2, 3, ... parts */
        c->start[b] = b == n_seqs ? rows : rows * b * (b + 1) / (n_seqs * (n_seqs + 1));
    c->seqs = (wkv_seqs){n_seqs, c->start};
    c->ids = calloc((size_t)rows, sizeof *c->ids);
    assert_non_null(c->ids);
}

static array make_array(op_case *c, const char *name, size_t n)
{
    (void)c;
    return (array){name, reals(n), reals(n), n};
}

array *case_in(op_case *c, const char *name, size_t n, double scale)
{
    array *a = &c->in[c->n_in++];
    *a = make_array(c, name, n);
    randomise(c, a->v, n, scale);
    return a;
}

array *case_out(op_case *c, const char *name, size_t n)
{
    array *a = &c->out[c->n_out++];
    *a = make_array(c, name, n);
    randomise(c, a->d, n, 1.0);
    return a;
}

void case_keep(op_case *c, size_t n)
{
    c->keep = reals(n);
}

wkv_weight case_vec(const array *a)
{
    return case_mat(a, 1, (int)a->n, false);
}

wkv_weight case_mat(const array *a, int rows, int cols, bool in_out)
{
    return (wkv_weight){.data = a->v,
                        .grad = a->d,
                        .dtype = WKV_DTYPE_REAL,
                        .in_out = in_out,
                        .rows = rows,
                        .cols = cols};
}

static void slot_at(case_slot *s, const op_case *c, real *base, size_t each)
{
    for (int b = 0; b < c->seqs.n; b++)
        s->at[b] = base + (size_t)b * each;
    s->slot = (wkv_slot){s->at, 0};
}

void case_slot_forward(case_slot *s, const op_case *c, int i, int o)
{
    memcpy(c->out[o].v, c->in[i].v, c->in[i].n * sizeof(real));
    slot_at(s, c, c->out[o].v, c->in[i].n / (size_t)c->seqs.n);
}

void case_slot_backward(case_slot *s, const op_case *c, int i, int o)
{
    memcpy(c->in[i].d, c->out[o].d, c->in[i].n * sizeof(real));
    slot_at(s, c, c->in[i].d, c->in[i].n / (size_t)c->seqs.n);
}

void case_free(op_case *c)
{
    for (int i = 0; i < c->n_in; i++) {
        free(c->in[i].v);
        free(c->in[i].d);
    }
    for (int i = 0; i < c->n_out; i++) {
        free(c->out[i].v);
        free(c->out[i].d);
    }
    free(c->ids);
    free(c->keep);
}

/* ---- running it ------------------------------------------------------------------------- */

/* Over a measuring arena first, as a pass does; then in earnest. */
static void run(op_case *c, const wkv_dev *dev, bool backward)
{
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    c->forward(&x, c);
    if (backward)
        c->backward(&x, c);
    assert_true(wkv_arena_init(&scratch, scratch.peak));
    for (int i = 0; i < c->n_in && backward; i++)
        memset(c->in[i].d, 0, c->in[i].n * sizeof(real));
    c->forward(&x, c);
    if (backward)
        c->backward(&x, c);
    assert_int_equal(scratch.used, 0);
    wkv_arena_deinit(&scratch);
}

static double loss_of(op_case *c, const wkv_dev *dev)
{
    run(c, dev, false);
    double sum = 0.0;
    for (int o = 0; o < c->n_out; o++)
        for (size_t i = 0; i < c->out[o].n; i++)
            sum += (double)c->out[o].v[i] * (double)c->out[o].d[i];
    return sum;
}

#ifdef WKV_DOUBLE
static double difference(op_case *c, const wkv_dev *dev, real *value)
{
    double x = (double)*value, h = 2e-5 * fmax(1.0, fabs(x)), d[2];
    for (int i = 0; i < 2; i++, h /= 2) {
        *value = x + h;
        double up = loss_of(c, dev);
        *value = x - h;
        d[i] = (up - loss_of(c, dev)) / (2 * h);
        *value = x;
    }
    return (4 * d[1] - d[0]) / 3;
}

enum { PICKS = 6 }; /* values of each array that are differenced */

static void check_gradients(op_case *c, const wkv_dev *dev)
{
    run(c, dev, true);
    for (int k = 0; k < c->n_in; k++) {
        array *a = &c->in[k];
        double scale = 1e-3;
        for (size_t i = 0; i < a->n; i++)
            scale = fmax(scale, fabs(a->d[i]));
        for (size_t j = 0; j < PICKS && j < a->n; j++) {
            size_t i = a->n <= PICKS ? j : wkv_splitmix64(j) % a->n;
            double got = a->d[i], want = difference(c, dev, &a->v[i]);
            if (fabs(got - want) > 1e-6 * scale)
                fail_msg("%s, variant %d, %s[%zu]: gradient %.12g, difference %.12g", c->name,
                         c->variant, a->name, i, got, want);
        }
    }
}
#endif

/* All outputs, then all gradients, one after the other; the caller frees. */
static real *results(op_case *c, const wkv_dev *dev, size_t *count)
{
    run(c, dev, c->backward != NULL);
    *count = 0;
    for (int o = 0; o < c->n_out; o++)
        *count += c->out[o].n;
    for (int i = 0; i < c->n_in && c->backward != NULL; i++)
        *count += c->in[i].n;
    real *all = reals(*count), *at = all;
    for (int o = 0; o < c->n_out; at += c->out[o++].n)
        memcpy(at, c->out[o].v, c->out[o].n * sizeof *at);
    for (int i = 0; i < c->n_in && c->backward != NULL; at += c->in[i++].n)
        memcpy(at, c->in[i].d, c->in[i].n * sizeof *at);
    return all;
}

static void check_close(const op_case *c, const real *got, const real *want, size_t n,
                        const char *level)
{
    double largest = 0.0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)(got[i] - want[i])) <= 2e-5 * largest))
            fail_msg("%s, variant %d, level %s, value %zu: %.9g, reference %.9g", c->name,
                     c->variant, level, i, (double)got[i], (double)want[i]);
}

/* Every level against the reference, and two threads against one, bit for bit. */
static void check_levels(op_case *c)
{
    wkv_dev *ref, *one, *two;
    assert_int_equal(wkv_dev_open_cpu_level(&ref, 1, WKV_CPU_REF, NULL), WKV_OK);
    size_t n;
    real *want = results(c, ref, &n);
    for (int level = 0; level <= (int)wkv_cpu_detect(); level++) {
        assert_int_equal(wkv_dev_open_cpu_level(&one, 1, (wkv_cpu_level)level, NULL), WKV_OK);
        assert_int_equal(wkv_dev_open_cpu_level(&two, 2, (wkv_cpu_level)level, NULL), WKV_OK);
        real *got = results(c, one, &n), *again = results(c, two, &n);
        check_close(c, got, want, n, wkv_cpu_level_name((wkv_cpu_level)level));
        if (memcmp(got, again, n * sizeof *got) != 0)
            fail_msg("%s, variant %d: two threads differ from one", c->name, c->variant);
        free(got);
        free(again);
        wkv_dev_close(&one);
        wkv_dev_close(&two);
    }
    free(want);
    wkv_dev_close(&ref);
}

void case_run(op_case *c)
{
    wkv_dev *dev = open_dev(2);
    assert_true(isfinite(loss_of(c, dev)));
#ifdef WKV_DOUBLE
    if (c->backward != NULL)
        check_gradients(c, dev);
#endif
    wkv_dev_close(&dev);
    check_levels(c);
    case_free(c);
}

/* ---- the list, and that it is whole -------------------------------------------------------- */

static const struct check {
    void (*run)(void **state);
    const char *ops; /* the ops it covers */
} checks[] = {
    {check_embed, "embed embed_bwd"},
    {check_layernorm, "layernorm layernorm_bwd"},
    {check_elementwise, "add copy zero act act_bwd gate gate_bwd to_bf16 to_f32 from_bf16"},
    {check_bias, "bias bias_bwd"},
    {check_softmax_ce, "softmax_ce"},
    {check_adamw, "adamw"},
    {check_sumsq, "sumsq"},
    {check_matmul, "matmul matmul_bwd"},
    {check_products, "products"},
    {check_sparse, "products"},
    {check_shift_mix, "shift shift_bwd shift_mix shift_mix_bwd"},
    {check_wkv4, "wkv4 wkv4_bwd"},
    {check_aft, "aft aft_bwd"},
    {check_aft_place, "aft_place aft_place_bwd"},
    {check_aft_kernel, "aft_kernel aft_kernel_bwd"},
    {check_wkv6, "wkv6 wkv6_bwd colsum"},
    {check_head_vec, "head_vec head_vec_bwd"},
    {check_decay, "decay decay_bwd"},
    {check_gn_gate, "gn_gate gn_gate_bwd"},
    {check_matmul_grouped, "matmul_grouped matmul_grouped_bwd"},
    {check_shift_lerp, "shift_lerp shift_lerp_bwd"},
    {check_wkv7, "wkv7 wkv7_bwd"},
    {check_rwkv7_prep, "rwkv7_prep rwkv7_prep_bwd"},
    {check_rwkv7_out, "rwkv7_out rwkv7_out_bwd"},
};
enum { CHECKS = sizeof checks / sizeof checks[0] };

static bool covered(const char *op)
{
    size_t n = strlen(op);
    for (int i = 0; i < CHECKS; i++)
        for (const char *at = checks[i].ops; (at = strstr(at, op)) != NULL; at += n)
            if ((at == checks[i].ops || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
                return true;
    return false;
}

/* An op without a check is a failure. */
static void every_op_is_checked(void **state)
{
#define OP(name, args, call) \
    if (!covered(#name)) \
        fail_msg("no check covers the op %s", #name);
#include "dev/ops.def"
#undef OP
}

int main(void)
{
    struct CMUnitTest tests[CHECKS + 1] = {cmocka_unit_test(every_op_is_checked)};
    for (int i = 0; i < CHECKS; i++)
        tests[i + 1] = (struct CMUnitTest){checks[i].ops, checks[i].run, NULL, NULL, NULL};
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
