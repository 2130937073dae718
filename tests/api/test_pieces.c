/* Adapters and initial states beside a model: applied when it is opened or merged into it, which is
 * the same; RWKV-PEFT's form without our metadata; and files that do not belong to the model. */
#include <stdio.h>

#include "api.h"
#include "support/heap.h"
#include "support/pieces.h"

static const char BASE[] = "p_base.safetensors", ADAPTER[] = "p_adapter.pth",
                  INIT[] = "p_init.pth", STATE[] = "p_state.pth", MERGED[] = "p_merged.safetensors";
enum { V = 96, TOKENS = 40 };

static const tiny_model models[] = {{"rwkv4", 3, 32, 0, V, 4, NULL},
                                    {"rwkv5", 3, 32, 8, V, 5, NULL},
                                    {"rwkv6", 3, 32, 8, V, 6, NULL},
                                    {"rwkv7", 3, 32, 8, V, 7, NULL}};
enum { MODELS = sizeof models / sizeof models[0] };

/* Factors for every second matrix of BASE. */
static void put_factors(pieces *p, const char *A, const char *B, int rank, double scale)
{
    pieces_put_factors(p, BASE, A, B, rank, scale);
}

static void write_states(int layers, int heads, int size)
{
    char name[64];
    pieces *p = pieces_begin(9);
    for (int l = 0; l < layers; l++) {
        snprintf(name, sizeof name, "blocks.%d.att.time_state", l);
        pieces_put(p, name, heads, size, size, 0.5);
    }
    pieces_finish(p, STATE, NULL, NULL);
}

/* ---- what a model says ----------------------------------------------------------------------- */

static wkv_model_opts opts(const char *adapter, const char *state)
{
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.adapter = adapter;
    o.state = state;
    return o;
}

/* Logits after TOKENS tokens, most of them at once, the last few one by one. */
static void logits_of(float *logits, const char *path, const wkv_model_opts *o)
{
    wkv_error err;
    wkv_model *m;
    int32_t ids[TOKENS];
    fill_ids(ids, TOKENS, V, 3);
    must(wkv_model_open(&m, path, o, &err), &err);
    wkv_session *s = open_session(m);
    feed(s, ids, 5);
    wkv_session_reset(s);
    feed(s, ids, TOKENS - 3);
    for (int i = TOKENS - 3; i < TOKENS; i++)
        feed(s, ids + i, 1);
    memcpy(logits, wkv_session_logits(s), V * sizeof *logits);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static void must_agree(const float *a, const float *b, const char *arch)
{
    const double d = relative_difference(a, b, V);
    if (!(d < 1e-5))
        fail_msg("%s: applied and merged differ by %g", arch, d);
}

static void refuse(const wkv_model_opts *o, wkv_status want, const char *names)
{
    wkv_error err;
    wkv_model *m;
    must_fail(wkv_model_open(&m, BASE, o, &err), want, &err, names);
    assert_null(m);
}

/* ---- adapters ----------------------------------------------------------------------------- */

static void merged_is_applied(void **state)
{
    float plain[V], applied[V], merged[V];
    wkv_error err;
    for (int i = 0; i < MODELS; i++) {
        tiny_model_write(BASE, &models[i]);
        pieces *p = pieces_begin(1);
        put_factors(p, "lora_A", "lora_B", 4, 0.2);
        pieces_finish(p, ADAPTER, "bf16", "6");
        wkv_model_opts o = opts(ADAPTER, NULL);
        logits_of(plain, BASE, NULL);
        logits_of(applied, BASE, &o);
        assert_true(relative_difference(applied, plain, V) > 0.01);
        must(wkv_merge(BASE, ADAPTER, MERGED, NULL, &err), &err);
        logits_of(merged, MERGED, NULL);
        must_agree(applied, merged, models[i].arch);
    }
}

/* RWKV-PEFT does not write the alpha down: it is asked for, and it counts. */
static void alpha_is_asked_for(void **state)
{
    float twelve[V], six[V], merged[V];
    wkv_error err;
    tiny_model_write(BASE, &models[3]);
    pieces *p = pieces_begin(1);
    put_factors(p, "lora_A.weight", "lora_B.weight", 4, 0.2); /* another trainer's names */
    pieces_finish(p, ADAPTER, NULL, NULL);
    wkv_model_opts o = opts(ADAPTER, NULL);
    refuse(&o, WKV_E_ARGUMENT, "does not say its alpha");
    must_fail(wkv_merge(BASE, ADAPTER, MERGED, NULL, &err), WKV_E_ARGUMENT, &err, "alpha");
    o.adapter_alpha = 12;
    logits_of(twelve, BASE, &o);
    o.adapter_alpha = 6;
    logits_of(six, BASE, &o);
    assert_true(relative_difference(six, twelve, V) > 0.01);
    wkv_merge_opts m;
    wkv_merge_opts_init(&m);
    m.alpha = 12;
    must(wkv_merge(BASE, ADAPTER, MERGED, &m, &err), &err);
    logits_of(merged, MERGED, NULL);
    must_agree(twelve, merged, "alpha 12");
    o.adapter_alpha = -1;
    refuse(&o, WKV_E_ARGUMENT, "adapter-alpha");
    o.adapter = NULL;
    refuse(&o, WKV_E_ARGUMENT, "adapter-alpha: there is no adapter");
    o.adapter_alpha = NAN;
    refuse(&o, WKV_E_ARGUMENT, "adapter-alpha: there is no adapter");
}

/* W - B0 A0 + B A, the beginning in the same file or in another, of another rank. */
static void pissa(void **state)
{
    float together[V], apart[V], merged[V];
    wkv_error err;
    wkv_merge_opts m;
    for (int i = 0; i < MODELS; i++) {
        tiny_model_write(BASE, &models[i]);
        pieces *p = pieces_begin(1), *q = pieces_begin(2), *both = pieces_begin(1);
        put_factors(p, "lora_A", "lora_B", 4, 0.2);
        pieces_finish(p, ADAPTER, NULL, NULL);
        put_factors(q, "init_lora_A", "init_lora_B", 3, 0.2);
        pieces_finish(q, INIT, NULL, NULL);
        wkv_model_opts o = opts(ADAPTER, NULL);
        o.adapter_init = INIT;
        logits_of(apart, BASE, &o);
        wkv_merge_opts_init(&m);
        m.init = INIT;
        must(wkv_merge(BASE, ADAPTER, MERGED, &m, &err), &err);
        logits_of(merged, MERGED, NULL);
        must_agree(apart, merged, models[i].arch);
        put_factors(both, "lora_A", "lora_B", 4, 0.2);
        pieces_seed(both, 2);
        put_factors(both, "init_lora_A", "init_lora_B", 3, 0.2);
        pieces_finish(both, "p_both.safetensors", NULL, NULL);
        o = opts("p_both.safetensors", NULL);
        logits_of(together, BASE, &o);
        must_be_same_bits(together, apart, V);
    }
    wkv_model_opts o = opts(INIT, NULL);
    refuse(&o, WKV_E_UNSUPPORTED, "where a PiSSA run began");
}

/* An adapter goes on top of any stored type; merging asks what the sum is to be stored as. */
static void quantised_bases(void **state)
{
    float exact[V], applied[V], merged[V];
    wkv_error err;
    const tiny_model wide = {"rwkv7", 2, 256, 32, V, 7, NULL};
    tiny_model_write(BASE, &wide);
    pieces *p = pieces_begin(1);
    put_factors(p, "lora_A", "lora_B", 4, 0.1);
    pieces_finish(p, ADAPTER, NULL, "4");
    wkv_model_opts o = opts(ADAPTER, NULL);
    logits_of(exact, BASE, &o);
    wkv_quantize_opts q;
    wkv_quantize_opts_init(&q);
    q.type = "q8_0";
    must(wkv_quantize(BASE, "p_q8.gguf", &q, NULL, &err), &err);
    logits_of(applied, "p_q8.gguf", &o);
    assert_true(relative_difference(applied, exact, V) < 0.1);
    must_fail(wkv_merge("p_q8.gguf", ADAPTER, "p_merged.gguf", NULL, &err), WKV_E_UNSUPPORTED,
              &err, "name a dtype");
    wkv_merge_opts m;
    wkv_merge_opts_init(&m);
    m.dtype = "f32";
    must(wkv_merge("p_q8.gguf", ADAPTER, MERGED, &m, &err), &err);
    logits_of(merged, MERGED, NULL);
    assert_true(relative_difference(merged, applied, V) < 0.05);
    m.dtype = "f16";
    must(wkv_merge(BASE, ADAPTER, MERGED, &m, &err), &err);
    logits_of(merged, MERGED, NULL);
    assert_true(relative_difference(merged, exact, V) < 1e-2);
}

/* Tensors that an adapter's file has whole stand in the place of the model's. */
static void whole_tensors_replace(void **state)
{
    float without[V], with[V], merged[V];
    wkv_error err;
    tiny_model_write(BASE, &models[3]);
    pieces *p = pieces_begin(1), *q = pieces_begin(1);
    put_factors(p, "lora_A", "lora_B", 4, 0.2);
    pieces_finish(p, ADAPTER, NULL, "4");
    wkv_model_opts o = opts(ADAPTER, NULL);
    logits_of(without, BASE, &o);
    put_factors(q, "lora_A", "lora_B", 4, 0.2);
    pieces_put(q, "blocks.1.ln1.weight", 32, 0, 0, 1);
    pieces_put(q, "blocks.2.att.w0", 32, 0, 0, 1);
    pieces_finish(q, ADAPTER, NULL, "4");
    logits_of(with, BASE, &o);
    assert_true(relative_difference(with, without, V) > 1e-3);
    must(wkv_merge(BASE, ADAPTER, MERGED, NULL, &err), &err);
    logits_of(merged, MERGED, NULL);
    must_agree(with, merged, "whole tensors");
    p = pieces_begin(1);
    put_factors(p, "lora_A", "lora_B", 4, 0.2);
    pieces_put(p, "blocks.1.ln1.weight", 31, 0, 0, 1);
    pieces_finish(p, ADAPTER, NULL, "4");
    refuse(&o, WKV_E_SHAPE, "blocks.1.ln1.weight is [31], expected [C = 32]");
}

static void adapter_with(const char *A, int64_t a0, int64_t a1, const char *B, int64_t b0,
                         int64_t b1)
{
    pieces *p = pieces_begin(1);
    pieces_put(p, A, a0, a1, 0, 1);
    if (B != NULL)
        pieces_put(p, B, b0, b1, 0, 1);
    pieces_finish(p, ADAPTER, NULL, "4");
}

/* A matrix that the file has whole and changes by factors too: the whole one with the change. */
static void whole_matrices_are_changed(void **state)
{
    float factors[V], applied[V], merged[V];
    wkv_error err;
    tiny_model_write(BASE, &models[3]);
    const wkv_model_opts o = opts(ADAPTER, NULL);
    adapter_with("blocks.0.att.key.lora_A", 2, 32, "blocks.0.att.key.lora_B", 32, 2);
    logits_of(factors, BASE, &o);
    pieces *p = pieces_begin(1);
    pieces_put(p, "blocks.0.att.key.lora_A", 2, 32, 0, 1);
    pieces_put(p, "blocks.0.att.key.lora_B", 32, 2, 0, 1);
    pieces_put(p, "blocks.0.att.key.weight", 32, 32, 0, 0.2);
    pieces_finish(p, ADAPTER, NULL, "4");
    logits_of(applied, BASE, &o);
    assert_true(relative_difference(applied, factors, V) > 1e-3);
    must(wkv_merge(BASE, ADAPTER, MERGED, NULL, &err), &err);
    logits_of(merged, MERGED, NULL);
    must_agree(applied, merged, "whole and changed");
}

static void adapters_of_other_models(void **state)
{
    const wkv_model_opts o = opts(ADAPTER, NULL);
    tiny_model_write(BASE, &models[3]);
    adapter_with("blocks.0.att.key.lora_A", 4, 64, "blocks.0.att.key.lora_B", 32, 4);
    refuse(&o, WKV_E_SHAPE, "blocks.0.att.key.lora_A is [4, 64], but the model's matrix is [32, 32]");
    adapter_with("blocks.0.ffn.key.lora_A", 4, 32, "blocks.0.ffn.key.lora_B", 32, 4);
    refuse(&o, WKV_E_SHAPE, "blocks.0.ffn.key.lora_B is [32, 4], but the model's matrix is [");
    adapter_with("blocks.0.att.key.lora_A", 40, 32, "blocks.0.att.key.lora_B", 32, 40);
    refuse(&o, WKV_E_SHAPE, "rank 40");
    adapter_with("blocks.3.att.key.lora_A", 4, 32, "blocks.3.att.key.lora_B", 32, 4);
    refuse(&o, WKV_E_SHAPE, "blocks.3.att.key.lora_A belongs to no matrix of the model (rwkv7, 3");
    adapter_with("blocks.0.att.gate.lora_A", 4, 32, "blocks.0.att.gate.lora_B", 32, 4);
    refuse(&o, WKV_E_SHAPE, "blocks.0.att.gate.lora_A belongs to no matrix");
    adapter_with("blocks.0.att.key.lora_A", 4, 32, NULL, 0, 0);
    refuse(&o, WKV_E_FORMAT, "damaged");
    adapter_with("blocks.0.att.key.lora_A", 4, 32, "blocks.0.att.key.lora_B", 32, 3);
    refuse(&o, WKV_E_FORMAT, "damaged");
    adapter_with("blocks.0.att.key.bone", 4, 32, NULL, 0, 0);
    refuse(&o, WKV_E_UNSUPPORTED, "Bone");
    const wkv_model_opts itself = opts(BASE, NULL);
    refuse(&itself, WKV_E_UNSUPPORTED, "no LoRA or PiSSA adapter: model");
    wkv_model_opts alone = opts(NULL, NULL);
    alone.adapter_alpha = 3;
    refuse(&alone, WKV_E_ARGUMENT, "adapter-alpha: there is no adapter");
    pieces *p = pieces_begin(1);
    pieces_put(p, "blocks.0.att.key.lora_A", 4, 32, 0, 1);
    pieces_put(p, "blocks.0.att.key.lora_B", 32, 4, 0, 1);
    pieces_finish(p, "p_alpha.safetensors", NULL, "many");
    const wkv_model_opts many = opts("p_alpha.safetensors", NULL);
    refuse(&many, WKV_E_FORMAT, "\"many\"");
}

/* What a session has read with an adapter is nothing to go on with without it. */
static void sessions_know_their_adapter(void **state)
{
    wkv_error err;
    wkv_model *with, *without;
    int32_t ids[TOKENS];
    fill_ids(ids, TOKENS, V, 3);
    tiny_model_write(BASE, &models[3]);
    pieces *p = pieces_begin(1);
    put_factors(p, "lora_A", "lora_B", 4, 0.2);
    pieces_finish(p, ADAPTER, NULL, "4");
    const wkv_model_opts o = opts(ADAPTER, NULL);
    must(wkv_model_open(&with, BASE, &o, &err), &err);
    must(wkv_model_open(&without, BASE, NULL, &err), &err);
    wkv_session *s = open_session(with), *t = open_session(without);
    feed(s, ids, TOKENS);
    must(wkv_session_save(s, "p_session.safetensors", &err), &err);
    wkv_session_reset(s);
    must(wkv_session_load(s, "p_session.safetensors", &err), &err);
    must_fail(wkv_session_load(t, "p_session.safetensors", &err), WKV_E_SHAPE, &err,
              "another model of the same shape");
    wkv_session_close(&s);
    wkv_session_close(&t);
    wkv_model_close(&with);
    wkv_model_close(&without);
}

/* ---- initial states -------------------------------------------------------------------------- */

static void states_are_where_sessions_begin(void **state)
{
    float got[V], baked[V], plain[V];
    wkv_error err;
    for (int i = 1; i < MODELS; i++) {
        tiny_model_write(BASE, &models[i]);
        write_states(3, 4, 8);
        const wkv_model_opts o = opts(NULL, STATE);
        logits_of(got, BASE, &o);
        logits_of(plain, BASE, NULL);
        assert_true(relative_difference(got, plain, V) > 1e-4);
        must(wkv_merge(BASE, STATE, "p_baked.pth", NULL, &err), &err);
        logits_of(baked, "p_baked.pth", NULL);
        must_be_same_bits(baked, got, V);
        must_fail(wkv_merge(BASE, STATE, "p_baked.gguf", NULL, &err), WKV_E_UNSUPPORTED, &err,
                  "no place for initial states");
        if (i > 1) /* GGUF has no RWKV-5 either */
            must_fail(wkv_convert("p_baked.pth", "p_baked.gguf", NULL, &err), WKV_E_UNSUPPORTED,
                      &err, "initial state");
    }
}

static void states_of_other_models(void **state)
{
    const wkv_model_opts o = opts(NULL, STATE);
    tiny_model_write(BASE, &models[3]);
    write_states(2, 4, 8);
    refuse(&o, WKV_E_SHAPE, "initial states of 2 layers");
    write_states(3, 2, 16);
    refuse(&o, WKV_E_SHAPE, "blocks.0.att.time_state is [2, 16, 16], expected [H = 4, N = 8");
    tiny_model_write(BASE, &models[0]);
    write_states(3, 4, 8);
    refuse(&o, WKV_E_UNSUPPORTED, "rwkv4 has none");
    const wkv_model_opts itself = opts(NULL, BASE);
    refuse(&itself, WKV_E_UNSUPPORTED, "no initial state but: model");
}

/* Every parameter is copied, replaced from the adapter's file and, where it is a state, once more
 * from the state's: what all that takes has no bound that a model's size would give. */
static void parameters_are_replaced_twice(void **state)
{
    float want[V], got[V];
    wkv_error err;
    const tiny_model deep = {"rwkv6", 6, 16, 8, V, 6, NULL};
    tiny_model_write(BASE, &deep);
    write_states(6, 2, 8);
    must(wkv_merge(BASE, STATE, MERGED, NULL, &err), &err);
    pieces *p = pieces_begin(1), *base = pieces_begin(1), *q = pieces_begin(1);
    put_factors(p, "lora_A", "lora_B", 4, 0.2);
    pieces_finish(p, ADAPTER, NULL, "4");
    const wkv_model_opts plain = opts(ADAPTER, STATE);
    logits_of(want, BASE, &plain);
    pieces_put_model(base, MERGED);
    pieces_finish(base, "p_wide.safetensors", NULL, NULL);
    pieces_put_model(q, MERGED);
    pieces_put_model(q, ADAPTER);
    pieces_finish(q, "p_whole.safetensors", NULL, "4");
    p = pieces_begin(1);
    pieces_put_model(p, STATE);
    pieces_finish(p, "p_states.safetensors", NULL, NULL);
    const wkv_model_opts twice = opts("p_whole.safetensors", "p_states.safetensors");
    logits_of(got, "p_wide.safetensors", &twice);
    must_be_same_bits(got, want, V);
}

/* ---- memory --------------------------------------------------------------------------------- */

static wkv_status open_all(wkv_error *err)
{
    wkv_model *m;
    wkv_model_opts o = opts(ADAPTER, STATE);
    o.adapter_init = INIT;
    o.threads = 1;
    wkv_status s = wkv_model_open(&m, BASE, &o, err);
    wkv_model_close(&m);
    return s;
}

static wkv_status merge_all(wkv_error *err)
{
    wkv_merge_opts m;
    wkv_merge_opts_init(&m);
    m.init = INIT;
    m.threads = 1;
    return wkv_merge(BASE, ADAPTER, MERGED, &m, err);
}

static wkv_status merge_state(wkv_error *err)
{
    return wkv_merge(BASE, STATE, MERGED, NULL, err);
}

static void every_allocation_may_fail(void **state)
{
    wkv_status (*const all[])(wkv_error *) = {open_all, merge_all, merge_state};
    const tiny_model small = {"rwkv7", 1, 16, 8, 32, 7, NULL};
    tiny_model_write(BASE, &small);
    pieces *p = pieces_begin(1), *q = pieces_begin(2);
    put_factors(p, "lora_A", "lora_B", 4, 0.2);
    pieces_finish(p, ADAPTER, NULL, NULL);
    put_factors(q, "init_lora_A", "init_lora_B", 3, 0.2);
    pieces_finish(q, INIT, NULL, NULL);
    write_states(1, 2, 8);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        wkv_status s = WKV_E_MEMORY;
        for (int n = 0; s != WKV_OK; n++) {
            wkv_error err;
            heap_limit(n);
            s = all[i](&err);
            heap_release();
            if (s != WKV_OK && s != WKV_E_MEMORY)
                fail_msg("case %zu, allocation %d: %s", i, n, err.text);
            assert_true(n < 2000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_is_applied),
        cmocka_unit_test(alpha_is_asked_for),
        cmocka_unit_test(pissa),
        cmocka_unit_test(quantised_bases),
        cmocka_unit_test(whole_tensors_replace),
        cmocka_unit_test(whole_matrices_are_changed),
        cmocka_unit_test(adapters_of_other_models),
        cmocka_unit_test(sessions_know_their_adapter),
        cmocka_unit_test(states_are_where_sessions_begin),
        cmocka_unit_test(states_of_other_models),
        cmocka_unit_test(parameters_are_replaced_twice),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
