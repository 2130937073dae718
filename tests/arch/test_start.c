/* tests/arch/test_start.c - initial states that are parameters: where they go, that the rest of the
 * state stays as it begins without, and that gradients come back the same way. */
#include "test.h"

#include "net.h"

enum { LAYERS = 2, C = 6, N = 3, H = C / N };

static void check(const wkv_arch *arch)
{
    net n;
    static const int lengths[] = {2};
    net_init(&n, arch, LAYERS, C, N, 5, lengths, 1, true, false, 1);
    real *state = calloc(n.state_size, sizeof *state), *bare = calloc(n.state_size, sizeof *bare);
    wkv_state_start(&n.cfg, &n.weights, state);
    arch->state_init(&n.cfg, bare);
    memset(n.grad, 0, n.n_params * sizeof *n.grad);
    size_t moved = 0;
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < arch->n_layer; i++) {
            if (!wkv_param_is_start(&arch->layer[i]))
                continue;
            const wkv_weight *w = &n.weights.layer[l * arch->n_layer + i];
            real *S = state + l * (2 * C + H * N * N) + C;
            for (int h = 0; h < H; h++)
                for (int key = 0; key < N; key++)
                    for (int value = 0; value < N; value++) {
                        const int at = (h * N + key) * N + value;
                        assert_true(S[at] == wkv_vec(w)[(h * N + value) * N + key]);
                        moved += S[at] != 0;
                        S[at] = bare[l * (2 * C + H * N * N) + C + at];
                    }
        }
    assert_int_equal(moved, LAYERS * H * N * N);
    assert_memory_equal(state, bare, n.state_size * sizeof *state);
    assert_true(wkv_state_start_trained(&n.cfg, &n.weights));
    /* Its own gradient, twice over. */
    wkv_state_start(&n.cfg, &n.weights, state);
    wkv_state_start_bwd(&n.cfg, &n.weights, state);
    wkv_state_start_bwd(&n.cfg, &n.weights, state);
    for (int i = 0; i < wkv_params_count(&n.cfg); i++) {
        int layer;
        const wkv_weight *w = wkv_weights_at(&n.weights, &n.cfg, i);
        const bool start = wkv_param_is_start(wkv_params_at(&n.cfg, i, &layer));
        for (int j = 0; w->data != NULL && j < w->rows * w->cols; j++)
            assert_true(w->grad[j] == (start ? 2 * wkv_vec(w)[j] : 0));
    }
    free(state);
    free(bare);
    net_deinit(&n);
}

static void starts(void **state)
{
    check(&wkv_arch_rwkv5);
    check(&wkv_arch_rwkv6);
    check(&wkv_arch_rwkv7);
}

/* A version without matrices has no such parameter and begins as ever. */
static void none(void **state)
{
    net n;
    static const int lengths[] = {2};
    net_init(&n, &wkv_arch_rwkv4, LAYERS, C, N, 5, lengths, 1, true, false, 1);
    real *a = calloc(n.state_size, sizeof *a), *b = calloc(n.state_size, sizeof *b);
    wkv_state_start(&n.cfg, &n.weights, a);
    wkv_arch_rwkv4.state_init(&n.cfg, b);
    assert_memory_equal(a, b, n.state_size * sizeof *a);
    assert_false(wkv_state_start_trained(&n.cfg, &n.weights));
    free(a);
    free(b);
    net_deinit(&n);
}

/* Of a wide model with large heads, a state would have more numbers than a weight can count. */
static void too_large(void **state)
{
    static const wkv_arch *const archs[] = {&wkv_arch_rwkv5, &wkv_arch_rwkv6, &wkv_arch_rwkv7};
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        wkv_config cfg;
        wkv_error err;
        const wkv_sizes fits = {.layers = 1, .width = 1 << 18, .head_size = 4096, .vocab = 8};
        wkv_sizes large = fits;
        large.width *= 2;
        assert_int_equal(wkv_config_new(&cfg, archs[i], &fits, &err), WKV_OK);
        assert_int_equal(wkv_config_new(&cfg, archs[i], &large, &err), WKV_E_LIMIT);
        assert_non_null(strstr(err.text, "blocks.0.att.time_state"));
        assert_non_null(strstr(err.text, "is [128, 4096, 4096], expected at most 2147483647"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(starts), cmocka_unit_test(none),
                                       cmocka_unit_test(too_large)};
    return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
