/* Random models: how sparse their channel mixing is, that their activations stay small over
 * many tokens, and what cannot be made. */
#include <stdio.h>
#include <wkv/unstable.h>

#include "test.h"

#include "model/session_impl.h"

enum { LAYERS = 3, C = 64, N = 32, F = 4 * C, V = 64, TOKENS = 400 };

static const char *const path = "random.safetensors";

static wkv_random_opts shape(void)
{
    wkv_random_opts o;
    wkv_random_opts_init(&o);
    o.layers = LAYERS;
    o.width = C;
    o.head_size = N;
    o.vocab_size = V;
    return o;
}

static void make(const wkv_random_opts *o)
{
    wkv_error err;
    if (wkv_random_model(path, o, &err) != WKV_OK)
        fail_msg("%s", err.text);
}

static wkv_session *open_session(wkv_model **m)
{
    wkv_error err;
    wkv_session *s = NULL;
    if (wkv_model_open(m, path, NULL, &err) != WKV_OK || wkv_session_open(&s, *m, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

/* The numbers of a parameter of layer l, whatever type the model keeps them in; free them. */
static double *layer_values(const wkv_model *m, int l, const char *name)
{
    const wkv_arch *a = m->cfg.arch;
    for (int i = 0; i < a->n_layer; i++)
        if (strcmp(a->layer[i].name, name) == 0) {
            const wkv_weight *W = &m->weights.layer[l * a->n_layer + i];
            const size_t n = (size_t)W->rows * (size_t)W->cols;
            double *values = malloc(n * sizeof *values);
            assert_non_null(values);
            wkv_dtype_to_f64(values, W->data, W->dtype, n);
            return values;
        }
    fail_msg("no parameter %s", name);
    return NULL;
}

/* Zero keys of layer l for the normed tokens `now` and `before`, from the definition. */
static int zero_keys(const wkv_model *m, int l, const real *now, const real *before)
{
    double *mu = layer_values(m, l, "blocks.%d.ffn.x_k");
    double *key = layer_values(m, l, "blocks.%d.ffn.key.weight");
    int zeros = 0;
    for (int f = 0; f < F; f++) {
        double sum = 0;
        for (int c = 0; c < C; c++)
            sum += key[f * C + c] * ((double)now[c] + (double)(before[c] - now[c]) * mu[c]);
        zeros += sum <= 0;
    }
    free(mu);
    free(key);
    return zeros;
}

/* The share of zeros.  A session's state ends each layer with the last normed input of its
 * channel mixing, which is all that the keys depend on. */
static double measured_sparsity(void)
{
    wkv_model *m;
    wkv_session *s = open_session(&m);
    const size_t layer = s->state_size / LAYERS;
    real before[LAYERS][C] = {{0}};
    long zeros = 0, keys = 0;
    wkv_rng rng;
    wkv_rng_seed(&rng, 1);
    for (int t = 0; t < TOKENS; t++) {
        const int32_t id = (int32_t)(wkv_rng_u64(&rng) % V);
        assert_int_equal(wkv_session_feed(s, &id, 1), WKV_OK);
        for (int l = 0; l < LAYERS; l++) {
            const real *now = s->state + (size_t)(l + 1) * layer - C;
            zeros += t > 0 ? zero_keys(m, l, now, before[l]) : 0;
            keys += t > 0 ? F : 0;
            memcpy(before[l], now, sizeof before[l]);
        }
    }
    wkv_session_close(&s);
    wkv_model_close(&m);
    return (double)zeros / (double)keys;
}

static void test_sparsity(void **state)
{
    static const double wanted[] = {0.6, 0.8, 0.9};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        wkv_random_opts o = shape();
        o.ffn_sparsity = wanted[i];
        make(&o);
        const double found = measured_sparsity();
        if (found < wanted[i] - 0.04 || found > wanted[i] + 0.04)
            fail_msg("asked for %g, found %g", wanted[i], found);
    }
}

/* The largest logit after many tokens is not far from that after a few. */
static void test_stays_small(void **state)
{
    enum { MANY = 3000 };
    for (size_t a = 0; wkv_arch_at(a) != NULL; a++) {
        wkv_random_opts o = shape();
        o.arch = wkv_arch_at(a)->name;
        make(&o);
        wkv_model *m;
        wkv_session *s = open_session(&m);
        int32_t ids[MANY];
        for (int i = 0; i < MANY; i++)
            ids[i] = i * 37 % V;
        const int longest = wkv_config_max_length(&m->cfg);
        const size_t n = longest > 0 && longest < MANY ? (size_t)longest : MANY;
        assert_int_equal(wkv_session_feed(s, ids, n), WKV_OK);
        for (int i = 0; i < V; i++)
            if (!(wkv_session_logits(s)[i] > -10 && wkv_session_logits(s)[i] < 10))
                fail_msg("%s: logit %d is %g", o.arch, i, (double)wkv_session_logits(s)[i]);
        for (size_t i = 0; i < s->state_size; i++)
            if (!(s->state[i] > -1e4 && s->state[i] < 1e4) && strcmp(o.arch, "rwkv4") != 0 &&
                !(s->state[i] < -1e29)) /* the exponent of a sum that is empty */
                fail_msg("%s: value %zu of the state is %g", o.arch, i, (double)s->state[i]);
        wkv_session_close(&s);
        wkv_model_close(&m);
    }
}

static void refused(wkv_random_opts o, wkv_status want, const char *names)
{
    wkv_error err;
    remove(path);
    assert_int_equal(wkv_random_model(path, &o, &err), want);
    if (strstr(err.text, names) == NULL)
        fail_msg("the error does not name %s: %s", names, err.text);
    assert_null(fopen(path, "rb"));
}

static void test_refused(void **state)
{
    wkv_random_opts o = shape();
    o.arch = "rwkv9";
    refused(o, WKV_E_ARGUMENT, "rwkv9");
    o = shape();
    o.dtype = "i8";
    refused(o, WKV_E_ARGUMENT, "i8");
    o = shape();
    o.ffn_sparsity = 1;
    refused(o, WKV_E_ARGUMENT, "sparsity");
    o = shape();
    o.vocab = "bytes"; /* 256 ids, and only 64 logits */
    refused(o, WKV_E_SHAPE, "bytes");
    o = shape();
    o.format = "papyrus";
    refused(o, WKV_E_UNSUPPORTED, "papyrus");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sparsity),
        cmocka_unit_test(test_stays_small),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
