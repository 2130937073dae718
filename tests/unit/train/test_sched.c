/* The learning rate, step by step, against values worked out by hand. */
#include <math.h>

#include "test.h"
#include "train/sched.h"

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want)))
        fail_msg("%.17g, expected %.17g", got, want);
}

static wkv_train_opts opts(int64_t steps, int64_t warmup)
{
    return (wkv_train_opts){.steps = steps, .warmup = warmup, .lr = 6e-4, .lr_final = 6e-5};
}

static void cosine_without_warmup(void **state)
{
    wkv_train_opts o = opts(100, 0);
    near(wkv_sched_lr(&o, 0), 6e-4);
    near(wkv_sched_lr(&o, 25), 6e-5 + 5.4e-4 * (0.5 + 0.25 * sqrt(2)));
    near(wkv_sched_lr(&o, 50), 3.3e-4);
    near(wkv_sched_lr(&o, 100), 6e-5);
    near(wkv_sched_lr(&o, 1000), 6e-5);
}

/* The cosine starts where the warm-up ends. */
static void warmup_then_cosine(void **state)
{
    wkv_train_opts o = opts(110, 10);
    near(wkv_sched_lr(&o, 0), 6e-6);
    near(wkv_sched_lr(&o, 5), 6e-4 * 0.505);
    near(wkv_sched_lr(&o, 9), 6e-4 * 0.901);
    near(wkv_sched_lr(&o, 10), 6e-4);
    near(wkv_sched_lr(&o, 60), 3.3e-4);
    near(wkv_sched_lr(&o, 110), 6e-5);
}

static void constant(void **state)
{
    wkv_train_opts o = opts(10, 0);
    o.lr_final = o.lr;
    for (int64_t s = 0; s < 10; s++)
        near(wkv_sched_lr(&o, s), 6e-4);
}

/* A warm-up as long as the run leaves no cosine, and no division by zero. */
static void only_warmup(void **state)
{
    wkv_train_opts o = opts(10, 10);
    near(wkv_sched_lr(&o, 9), 6e-4 * 0.901);
    o = opts(10, 20);
    near(wkv_sched_lr(&o, 9), 6e-4 * (0.01 + 0.99 * 9 / 20));
}

/* The rates that RWKV-LM's reference run printed at the end of its first twelve
 * mini-epochs, with eight decimals (RWKV-v7/train_temp/README.md). */
static void reference_run(void **state)
{
    static const double printed[] = {0.00059975, 0.00059899, 0.00059773, 0.00059597,
                                     0.00059371, 0.00059096, 0.00058771, 0.00058399,
                                     0.00057978, 0.00057511, 0.00056999, 0.00056441};
    wkv_train_opts o = opts(182889, 10);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(wkv_sched_lr(&o, 2520 * (i + 1) - 1) - printed[i]) <= 0.5001e-8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_without_warmup),
        cmocka_unit_test(warmup_then_cosine),
        cmocka_unit_test(constant),
        cmocka_unit_test(only_warmup),
        cmocka_unit_test(reference_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
