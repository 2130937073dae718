/* tests/arch/test_modes.c - the one idea, held to account: a sequence at once, token by
 * token, or in any pieces with the state carried is the same function; and one thread or
 * two, and any part of a backward pass computed again instead of kept, give the same bits;
 * activations kept as bf16 give nearly the same gradients. */
#include "test.h"

#include <math.h>

#include "net.h"
#include "toy.h"

typedef struct mode_case {
    const wkv_arch *arch;
    int layers, width, head_size, vocab, T;
    bool optional; /* as net_init has it */
} mode_case;

static const mode_case cases[] = {
    {&wkv_arch_rwkv4, 3, 96, 96, 50, 41, false},
    {&wkv_arch_rwkv4, 2, 33, 33, 300, 70, false},
    {&wkv_arch_rwkv5, 3, 96, 32, 50, 41, false},
    {&wkv_arch_rwkv5, 2, 60, 20, 300, 70, false},
    {&wkv_arch_rwkv6, 3, 96, 32, 50, 41, false},
    {&wkv_arch_rwkv6, 2, 60, 20, 300, 70, false},
    {&wkv_arch_aft_simple, 3, 96, 96, 50, 41, false},
    {&wkv_arch_aft_simple, 2, 33, 33, 300, 70, false},
    {&wkv_arch_aft_local, 3, 96, 96, 50, 41, false},
    {&wkv_arch_aft_local, 2, 33, 33, 300, 70, false},
    {&wkv_arch_aft_conv, 3, 96, 32, 50, 41, false},
    {&wkv_arch_aft_conv, 2, 60, 20, 300, 70, false},
    {&wkv_arch_aft_full, 3, 96, 96, 50, 41, false},
    {&wkv_arch_aft_full, 2, 33, 33, 300, 70, false},
    {&wkv_arch_rwkv7, 3, 96, 32, 50, 41, false},
    {&wkv_arch_rwkv7, 2, 60, 20, 300, 70, false},
    {&wkv_arch_rwkv7, 2, 128, 64, 256, 97, false},
    {&toy_arch, 2, 24, 0, 17, 30, false},
    {&wkv_arch_aft_simple, 2, 33, 33, 300, 70, true},
    {&wkv_arch_aft_local, 2, 33, 33, 300, 70, true},
    {&wkv_arch_aft_conv, 2, 60, 20, 300, 70, true},
    {&wkv_arch_aft_full, 2, 33, 33, 300, 70, true},
};

/* The logits of the whole sequence fed in pieces of `piece` tokens; the caller frees. */
static real *logits_by(net *n, int T, int piece)
{
    size_t V = (size_t)n->cfg.dim[WKV_DIM_V];
    real *all = malloc((size_t)T * V * sizeof *all), *logits = n->logits, *state0 = n->state0[0];
    int32_t *ids = n->ids;
    for (int t = 0; t < T; t += piece) {
        n->start[1] = T - t < piece ? T - t : piece;
        n->ids = ids + t;
        n->logits = all + (size_t)t * V;
        net_forward(n, false);
        n->state0[0] = n->state[0]; /* carried: the next piece starts where this one ended */
    }
    n->ids = ids;
    n->logits = logits;
    n->state0[0] = state0;
    n->start[1] = T;
    return all;
}

static void check_pieces(void **state)
{
    const mode_case *c = *state;
    net n;
    net_init(&n, c->arch, c->layers, c->width, c->head_size, c->vocab, &c->T, 1, c->optional, true,
             2);
    size_t count = (size_t)c->T * (size_t)c->vocab;
    real *whole = logits_by(&n, c->T, c->T);
    double largest = 0.0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)whole[i]));
    static const int pieces[] = {1, 2, 5, 16, 17};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        real *split = logits_by(&n, c->T, pieces[p]);
        for (size_t i = 0; i < count; i++)
            if (!(fabs((double)(split[i] - whole[i])) <= 1e-5 * largest))
                fail_msg("pieces of %d, logit %zu: %.9g, at once %.9g (largest %.3g)", pieces[p], i,
                         (double)split[i], (double)whole[i], largest);
        free(split);
    }
    free(whole);
    net_deinit(&n);
}

static void check_same(const net *a, const net *b)
{
    size_t rows = (size_t)wkv_seqs_rows(&a->seqs);
    assert_memory_equal(a->logits, b->logits, rows * (size_t)a->cfg.dim[WKV_DIM_V] * sizeof(real));
    assert_memory_equal(a->grad, b->grad, a->n_params * sizeof(real));
    for (int i = 0; i < a->seqs.n; i++) {
        assert_memory_equal(a->state[i], b->state[i], a->state_size * sizeof(real));
        assert_memory_equal(a->dstate[i], b->dstate[i], a->state_size * sizeof(real));
    }
}

static void check_threads(void **state)
{
    const mode_case *c = *state;
    const int lengths[] = {c->T, 3, c->T / 2};
    net one, two;
    net_init(&one, c->arch, c->layers, c->width, c->head_size, c->vocab, lengths, 3, c->optional,
             true, 1);
    net_init(&two, c->arch, c->layers, c->width, c->head_size, c->vocab, lengths, 3, c->optional,
             true, 2);
    net_backward(&one);
    net_backward(&two);
    check_same(&one, &two);
    net_deinit(&one);
    net_deinit(&two);
}

/* What is not kept but computed again comes out the same, and takes less memory. */
static void check_recompute(void **state)
{
    const mode_case *c = *state;
    const int lengths[] = {c->T, 3, c->T / 2};
    net whole, again;
    net_init(&whole, c->arch, c->layers, c->width, c->head_size, c->vocab, lengths, 3, false, true,
             2);
    net_init(&again, c->arch, c->layers, c->width, c->head_size, c->vocab, lengths, 3, false, true,
             2);
    net_backward(&whole);
    for (again.recompute = WKV_RECOMPUTE_LIGHT; again.recompute <= WKV_RECOMPUTE_FULL;
         again.recompute++) {
        net_backward(&again);
        check_same(&whole, &again);
        assert_true(again.tape_size < whole.tape_size);
    }
    net_deinit(&whole);
    net_deinit(&again);
}

/* Cosine of the angle between two gradients, of the first states too. */
static double cosine(const net *a, const net *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = -1; i < a->seqs.n; i++) {
        const real *x = i < 0 ? a->grad : a->dstate[i], *y = i < 0 ? b->grad : b->dstate[i];
        for (size_t j = 0; j < (i < 0 ? a->n_params : a->state_size); j++) {
            ab += (double)x[j] * (double)y[j];
            aa += (double)x[j] * (double)x[j];
            bb += (double)y[j] * (double)y[j];
        }
    }
    return ab / sqrt(aa * bb);
}

/* Forward keeps its bits.  A bf16 is at most 2^-9 off, and independent errors of what goes into a
 * gradient leave an angle of a few times that to the exact one: far below 0.014, where the cosine
 * is 0.9999. */
static void check_bf16(void **state)
{
    const mode_case *c = *state;
    const int lengths[] = {c->T, 3, c->T / 2};
    net exact, one, two;
    net *all[] = {&exact, &one, &two};
    for (int i = 0; i < 3; i++) {
        net_init(all[i], c->arch, c->layers, c->width, c->head_size, c->vocab, lengths, 3,
                 c->optional, true, i == 2 ? 2 : 1);
        all[i]->bf16 = i > 0;
    }
    net_backward(&exact);
    for (wkv_recompute r = WKV_RECOMPUTE_NONE; r <= WKV_RECOMPUTE_LIGHT; r++) {
        one.recompute = two.recompute = r;
        net_backward(&one);
        net_backward(&two);
        check_same(&one, &two);
        size_t rows = (size_t)wkv_seqs_rows(&one.seqs);
        assert_memory_equal(exact.logits, one.logits, rows * (size_t)c->vocab * sizeof(real));
        for (int i = 0; i < one.seqs.n; i++)
            assert_memory_equal(exact.state[i], one.state[i], one.state_size * sizeof(real));
        double near = cosine(&exact, &one);
        if (!(near > 0.9999 && near < 1))
            fail_msg("%s, recompute %d: cosine %.9f", c->arch->name, (int)r, near);
    }
    for (int i = 0; i < 3; i++)
        net_deinit(all[i]);
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[4 * COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        void *c = (void *)(uintptr_t)&cases[i];
        tests[i] = (struct CMUnitTest){"pieces", check_pieces, NULL, NULL, c};
        tests[COUNT + i] = (struct CMUnitTest){"threads", check_threads, NULL, NULL, c};
        tests[2 * COUNT + i] = (struct CMUnitTest){"recompute", check_recompute, NULL, NULL, c};
        tests[3 * COUNT + i] = (struct CMUnitTest){"bf16", check_bf16, NULL, NULL, c};
    }
    return cmocka_run_group_tests_name("modes", tests, NULL, NULL);
}
