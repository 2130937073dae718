/* tests/arch/test_gradients.c - the whole model's gradient against central finite
 * differences, in double: every version, several shapes, ragged batches, initial states
 * that are not zero or are learnt, gradients into those states and from the final ones. */
#include "test.h"

#include <math.h>

#include "net.h"
#include "toy.h"

typedef struct gradient_case {
    const wkv_arch *arch;
    int layers, width, head_size, vocab;
    int lengths[NET_MAX_SEQS], n_seqs;
    bool optional, random_state;
} gradient_case;

static const gradient_case cases[] = {
    {&wkv_arch_rwkv4, 1, 4, 4, 5, {3}, 1, false, false},
    {&wkv_arch_rwkv4, 2, 6, 6, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_rwkv4, 3, 5, 5, 6, {19, 2}, 2, true, true},
    {&wkv_arch_rwkv5, 1, 4, 2, 5, {3}, 1, false, false},
    {&wkv_arch_rwkv5, 2, 6, 3, 7, {5, 1, 3}, 3, true, false},
    {&wkv_arch_rwkv5, 2, 6, 3, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_rwkv5, 2, 8, 4, 6, {19, 33}, 2, true, true},
    {&wkv_arch_rwkv6, 1, 4, 2, 5, {3}, 1, false, false},
    {&wkv_arch_rwkv6, 2, 6, 3, 7, {5, 1, 3}, 3, true, false},
    {&wkv_arch_rwkv6, 2, 6, 3, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_rwkv6, 2, 8, 4, 6, {19, 33}, 2, true, true},
    {&wkv_arch_rwkv7, 1, 4, 2, 5, {3}, 1, false, false},
    {&wkv_arch_rwkv7, 2, 6, 3, 7, {5, 17, 3}, 3, true, false},
    {&wkv_arch_rwkv7, 2, 6, 3, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_rwkv7, 3, 8, 4, 6, {19, 33}, 2, true, true},
    {&wkv_arch_rwkv7, 2, 10, 5, 5, {17, 16, 2, 1}, 4, false, true},
    {&wkv_arch_aft_simple, 1, 4, 4, 5, {3}, 1, false, false},
    {&wkv_arch_aft_simple, 2, 6, 6, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_aft_simple, 3, 5, 5, 6, {19, 2}, 2, true, true},
    {&wkv_arch_aft_local, 1, 4, 4, 5, {3}, 1, false, false},
    {&wkv_arch_aft_local, 2, 6, 6, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_aft_local, 2, 5, 5, 6, {19, 33}, 2, true, true},
    {&wkv_arch_aft_conv, 1, 4, 2, 5, {3}, 1, false, false},
    {&wkv_arch_aft_conv, 2, 6, 3, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_aft_conv, 2, 8, 4, 6, {19, 33}, 2, true, true},
    {&wkv_arch_aft_full, 1, 4, 4, 5, {3}, 1, false, false},
    {&wkv_arch_aft_full, 2, 6, 6, 7, {5, 1, 3}, 3, false, true},
    {&wkv_arch_aft_full, 2, 5, 5, 6, {19, 33}, 2, true, true},
    {&toy_arch, 2, 4, 0, 5, {5, 3}, 2, false, true},
};

/* The derivative of the sum along one value, by Richardson-extrapolated differences.  The
 * step is small because relu^2 has kinks, near which no larger one is exact. */
static double difference(net *n, real *value)
{
    double x = (double)*value, h = 2e-5 * fmax(1.0, fabs(x)), d[2];
    for (int i = 0; i < 2; i++, h /= 2) {
        *value = (real)(x + h);
        net_forward(n, false);
        double up = net_sum(n);
        *value = (real)(x - h);
        net_forward(n, false);
        d[i] = (up - net_sum(n)) / (2 * h);
        *value = (real)x;
    }
    return (4 * d[1] - d[0]) / 3;
}

/* Checks `picks` values spread over an array; scale is its largest gradient. */
static void check_array(net *n, real *values, const real *grad, size_t count, size_t picks,
                        const char *what)
{
    double scale = 1e-3;
    for (size_t i = 0; i < count; i++)
        scale = fmax(scale, fabs((double)grad[i]));
    for (size_t j = 0; j < picks && j < count; j++) {
        size_t i = count <= picks ? j : wkv_splitmix64(j + 17 * count) % count;
        if ((double)values[i] < -1e29) /* an empty exponent has no difference */
            continue;
        double want = difference(n, &values[i]);
        if (fabs((double)grad[i] - want) > 1e-6 * scale)
            fail_msg("%s %s[%zu]: gradient %.12g, difference %.12g, scale %.3g", n->cfg.arch->name,
                     what, i, (double)grad[i], want, scale);
    }
}

static void check_case(void **state)
{
    const gradient_case *c = *state;
    net n;
    net_init(&n, c->arch, c->layers, c->width, c->head_size, c->vocab, c->lengths, c->n_seqs,
             c->optional, c->random_state, 2);
    net_backward(&n);
    for (int i = 0; i < wkv_params_count(&n.cfg); i++) {
        const wkv_weight *w = wkv_weights_at(&n.weights, &n.cfg, i);
        int layer;
        char name[WKV_NAME_MAX];
        wkv_param_name(name, wkv_params_at(&n.cfg, i, &layer), layer);
        if (w->data != NULL)
            check_array(&n, n.flat + ((const real *)w->data - n.flat), w->grad,
                        (size_t)w->rows * (size_t)w->cols, 6, name);
    }
    /* RWKV-4's empty exponent, -1e30, has no finite difference. */
    for (int b = 0; b < c->n_seqs && c->random_state; b++)
        check_array(&n, n.state0[b], n.dstate[b], n.state_size, 24, "initial state");
    net_deinit(&n);
}

/* Low-rank changes of frozen matrices, the head's among them. */
static void check_changes(void **state)
{
    static const wkv_arch *const archs[] = {&wkv_arch_rwkv4, &wkv_arch_rwkv5, &wkv_arch_rwkv6,
                                            &wkv_arch_rwkv7};
    static const int lengths[] = {5, 1, 7};
    for (size_t a = 0; a < sizeof archs / sizeof archs[0]; a++) {
        net n;
        net_init(&n, archs[a], 2, 6, 3, 7, lengths, 3, false, true, 2);
        net_add_changes(&n, 2);
        net_backward(&n);
        for (int i = 0; i < wkv_params_count(&n.cfg); i++) {
            const wkv_weight *w = wkv_weights_at(&n.weights, &n.cfg, i);
            if (w->lora == NULL)
                continue;
            assert_null(w->grad);
            const wkv_weight *factor[] = {&w->lora->A, &w->lora->B};
            for (int j = 0; j < 2; j++)
                check_array(&n, n.flat + ((const real *)factor[j]->data - n.flat), factor[j]->grad,
                            (size_t)factor[j]->rows * (size_t)factor[j]->cols, 6, "factor");
        }
        for (int b = 0; b < 3; b++)
            check_array(&n, n.state0[b], n.dstate[b], n.state_size, 12, "initial state");
        net_deinit(&n);
    }
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[COUNT + 1];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].arch->name,
                                       .test_func = check_case,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    tests[COUNT] = (struct CMUnitTest)cmocka_unit_test(check_changes);
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
