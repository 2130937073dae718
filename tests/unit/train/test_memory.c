/* The trade of memory for time: what is computed again has the same bits, pieces of a batch add up
 * to the whole, and limits are kept. */
#include <math.h>

#include "tiny.h"
#include "train/trainer.h"

static const char *const ARCHS[] = {"rwkv4", "rwkv5", "rwkv6", "rwkv7", "aft-local", "aft-full"};
enum { N_ARCHS = sizeof ARCHS / sizeof ARCHS[0] };

/* ---- documents to test with ------------------------------------------------------------- */

static int64_t token_of(const void *length, size_t i, size_t j)
{
    const size_t *l = length;
    return j + 1 == l[i] ? 0 : (int64_t)(1 + (i * 31 + j * 7 + j * j % 11) % 200);
}

static int64_t is_learnt(const void *unused, size_t i, size_t j)
{
    (void)unused;
    return (i + j) % 3 != 0;
}

/* Documents of 5 to 80 tokens, a third of which is not to be learnt. */
static int masked_documents(void **state)
{
    enum { DOCUMENTS = 40 };
    size_t length[DOCUMENTS];
    if (tiny_text(state) != 0)
        return -1;
    for (size_t i = 0; i < DOCUMENTS; i++)
        length[i] = 5 + i * 17 % 76;
    write_items("t_docs", 2, 8, length, DOCUMENTS, token_of, length);
    write_items("t_docs.mask", 1, 1, length, DOCUMENTS, is_learnt, NULL);
    return 0;
}

static wkv_train_opts document_opts(const char *arch, wkv_rows rows)
{
    wkv_train_opts o = tiny_opts(arch);
    o.data = "t_docs";
    o.vocab = NULL;
    o.vocab_size = 256;
    o.rows = rows;
    o.ctx = 24;
    o.batch = 7;
    o.val_fraction = 0.2;
    return o;
}

/* ---- recompute -------------------------------------------------------------------------- */

/* The same bits at every step, in every kind of rows; and less is kept. */
static void recomputing_changes_no_bit(void **state)
{
    static const struct {
        wkv_rows rows;
        int bptt;
    } kinds[] = {{WKV_ROWS_STREAM, 1}, {WKV_ROWS_PACK, 1}, {WKV_ROWS_CARRY, 2}};
    for (int a = 0; a < N_ARCHS; a++)
        for (int k = 0; k < 3; k++) {
            wkv_train_opts o = document_opts(ARCHS[a], kinds[k].rows);
            o.bptt = kinds[k].bptt;
            o.layers = 3;
            if (strcmp(ARCHS[a], "aft-full") == 0 && o.rows == WKV_ROWS_CARRY)
                continue; /* its texts end */
            wkv_trainer *t[3];
            for (int r = 0; r < 3; r++) {
                o.recompute = (wkv_train_recompute)r;
                t[r] = tiny_open(&o);
            }
            assert_true(t[1]->work.tape_bytes < t[0]->work.tape_bytes);
            assert_true(t[2]->work.tape_bytes < t[1]->work.tape_bytes);
            for (int s = 0; s < 4; s++) {
                double loss[3];
                for (int r = 0; r < 3; r++)
                    loss[r] = tiny_steps(t[r], 1);
                assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
                assert_memory_equal(&loss[0], &loss[2], sizeof loss[0]);
            }
            for (int r = 1; r < 3; r++) {
                assert_memory_equal(t[0]->optim.grad, t[r]->optim.grad,
                                    t[0]->optim.n * sizeof(real));
                assert_memory_equal(t[0]->optim.param, t[r]->optim.param,
                                    t[0]->optim.n * sizeof(real));
            }
            for (int r = 0; r < 3; r++)
                wkv_trainer_close(&t[r]);
        }
}

/* ---- activations as bf16 ------------------------------------------------------------------ */

static double angle_cosine(const real *a, const real *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static uint64_t activations(const wkv_trainer *t)
{
    wkv_train_memory m;
    wkv_trainer_memory(t, &m);
    assert_int_equal(m.activations, t->work.tape.size + t->work.wide.size);
    return m.activations;
}

/* The first step has the loss of f32 to the bit, for forward is the same, and nearly its gradient.
 * Later losses differ by what that little adds up to: Adam moves weights whose gradient is next to
 * nothing as far as others, if the other way.  A hundredth of what was learnt is the bound. */
static void bf16_learns_alike(void **state)
{
    for (int a = 0; a < N_ARCHS; a++)
        for (int r = WKV_TRAIN_RECOMPUTE_NONE; r <= WKV_TRAIN_RECOMPUTE_LIGHT; r++) {
            wkv_train_opts o = document_opts(ARCHS[a], WKV_ROWS_PACK);
            o.layers = 4;
            o.steps = 20;
            o.recompute = (wkv_train_recompute)r;
            wkv_trainer *exact = tiny_open(&o);
            o.activations = WKV_TRAIN_ACTIVATIONS_BF16;
            wkv_trainer *near = tiny_open(&o);
            assert_true((double)activations(near) < 0.9 * (double)activations(exact));
            const double first = tiny_steps(exact, 1), same = tiny_steps(near, 1);
            assert_memory_equal(&first, &same, sizeof first);
            assert_true(angle_cosine(exact->optim.grad, near->optim.grad, exact->optim.n) > 0.999);
            double x = tiny_steps(exact, 19), y = tiny_steps(near, 19);
            if (!(fabs(x - y) < 0.01 * (first - x)))
                fail_msg("%s: loss %.9g, in f32 %.9g, at first %.9g", ARCHS[a], y, x, first);
            wkv_trainer_close(&exact);
            wkv_trainer_close(&near);
        }
}

/* What keeps no activations has none to round. */
static void full_is_exact(void **state)
{
    wkv_train_opts o = document_opts("rwkv7", WKV_ROWS_STREAM);
    o.recompute = WKV_TRAIN_RECOMPUTE_FULL;
    wkv_trainer *exact = tiny_open(&o);
    o.activations = WKV_TRAIN_ACTIVATIONS_BF16;
    wkv_trainer *same = tiny_open(&o);
    tiny_steps(exact, 3);
    tiny_steps(same, 3);
    assert_memory_equal(exact->optim.param, same->optim.param, exact->optim.n * sizeof(real));
    wkv_trainer_close(&exact);
    wkv_trainer_close(&same);
}

/* ---- pieces of a batch -------------------------------------------------------------------- */

static double farthest(const real *a, const real *b, size_t n, double *size)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
        *size = fmax(*size, fabs((double)a[i]));
    }
    return worst;
}

/* Loss and validation have the bits of the whole batch, gradients are those but for the order in
 * which they are added up; the pieces need not divide the batch. */
static void pieces_make_the_batch(void **state)
{
    static const struct {
        wkv_rows rows;
        int bptt;
    } kinds[] = {
        {WKV_ROWS_STREAM, 1}, {WKV_ROWS_PACK, 1}, {WKV_ROWS_CARRY, 1}, {WKV_ROWS_CARRY, 3}};
    for (int a = 0; a < 4; a++)
        for (int k = 0; k < 4; k++)
            for (int piece = 2; piece <= 4; piece += 2) {
                wkv_train_opts o = document_opts(ARCHS[a], kinds[k].rows);
                o.bptt = kinds[k].bptt;
                wkv_trainer *whole = tiny_open(&o);
                o.micro_batch = piece;
                wkv_trainer *parts = tiny_open(&o);
                assert_true(parts->work.tape_bytes < whole->work.tape_bytes);
                /* Fewer than 48 tokens may be summed in another order. */
                bool exact = 7 % piece * o.ctx >= 48;
                for (int s = 0; s < 3; s++) {
                    double x = tiny_steps(whole, 1), y = tiny_steps(parts, 1), size = 0;
                    if (exact)
                        assert_memory_equal(&x, &y, sizeof x);
                    double worst =
                        farthest(whole->optim.grad, parts->optim.grad, whole->optim.n, &size);
                    if (!(worst <= (sizeof(real) == 8 ? 1e-12 : 1e-5) * size))
                        fail_msg("%s, kind %d, pieces of %d, step %d: %g apart, of %g", ARCHS[a], k,
                                 piece, s, worst, size);
                    memcpy(parts->optim.param, whole->optim.param, whole->optim.n * sizeof(real));
                }
                wkv_validation x, y;
                assert_int_equal(wkv_trainer_validate(whole, &x, NULL), WKV_OK);
                assert_int_equal(wkv_trainer_validate(parts, &y, NULL), WKV_OK);
                if (exact)
                    assert_memory_equal(&x.loss, &y.loss, sizeof x.loss);
                assert_true(fabs(x.loss - y.loss) < 1e-6);
                wkv_trainer_close(&whole);
                wkv_trainer_close(&parts);
            }
}

static void refuses(const wkv_train_opts *o, const char *path, const char *why)
{
    wkv_error err;
    wkv_trainer *t = tiny_open(o);
    assert_int_equal(wkv_trainer_restore(t, path, &err), WKV_E_SHAPE);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s", err.text);
    wkv_trainer_close(&t);
}

/* A run in pieces goes on with the same bits, whatever is recomputed; not in other pieces. */
static void pieces_resume_exactly(void **state)
{
    wkv_train_opts o = document_opts("rwkv7", WKV_ROWS_CARRY);
    wkv_error err;
    o.bptt = 2;
    o.micro_batch = 3;
    wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o);
    tiny_steps(whole, 9);
    tiny_steps(first, 5);
    assert_int_equal(wkv_trainer_save(first, "t_pieces.safetensors", NULL), WKV_OK);
    wkv_trainer_close(&first);
    o.threads = 2;
    o.recompute = WKV_TRAIN_RECOMPUTE_FULL;
    wkv_trainer *second = tiny_open(&o);
    if (wkv_trainer_restore(second, "t_pieces.safetensors", &err) != WKV_OK)
        fail_msg("%s", err.text);
    tiny_steps(second, 4);
    assert_memory_equal(whole->optim.param, second->optim.param, whole->optim.n * sizeof(real));
    wkv_trainer_close(&second);
    wkv_trainer_close(&whole);
    o.micro_batch = 2;
    refuses(&o, "t_pieces.safetensors", "micro_batch = 3, this one has 2");
}

/* So does one with bf16; not one that rounds otherwise. */
static void bf16_resumes_exactly(void **state)
{
    wkv_train_opts o = document_opts("rwkv7", WKV_ROWS_CARRY);
    wkv_error err;
    o.bptt = 2;
    o.micro_batch = 3;
    o.activations = WKV_TRAIN_ACTIVATIONS_BF16;
    wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o);
    tiny_steps(whole, 9);
    tiny_steps(first, 5);
    assert_int_equal(wkv_trainer_save(first, "t_bf16.safetensors", NULL), WKV_OK);
    wkv_trainer_close(&first);
    o.threads = 2;
    wkv_trainer *second = tiny_open(&o);
    if (wkv_trainer_restore(second, "t_bf16.safetensors", &err) != WKV_OK)
        fail_msg("%s", err.text);
    tiny_steps(second, 4);
    assert_memory_equal(whole->optim.param, second->optim.param, whole->optim.n * sizeof(real));
    wkv_trainer_close(&second);
    wkv_trainer_close(&whole);
    o.recompute = WKV_TRAIN_RECOMPUTE_LIGHT;
    refuses(&o, "t_bf16.safetensors", ", activations bf16, light");
    o.activations = WKV_TRAIN_ACTIVATIONS_F32;
    refuses(&o, "t_bf16.safetensors", ", activations bf16, this one has f");
}

/* ---- what it takes ------------------------------------------------------------------------ */

static uint64_t total(wkv_train_opts o, wkv_train_recompute recompute, int micro_batch)
{
    wkv_train_memory m;
    o.recompute = recompute;
    o.micro_batch = micro_batch;
    wkv_trainer *t = tiny_open(&o);
    wkv_trainer_memory(t, &m);
    assert_int_equal(m.total, m.parameters + m.gradients + m.moments + m.activations + m.workspace +
                                  m.data + m.program);
    assert_int_equal(m.activations, activations(t));
    assert_int_equal(m.moments, 2 * m.parameters);
    wkv_trainer_close(&t);
    return m.total - m.program; /* which grows from one trainer to the next */
}

static void limits_are_kept(void **state)
{
    wkv_train_opts o = tiny_opts("rwkv7");
    o.layers = 4;
    o.ctx = 512;
    o.batch = 8;
    uint64_t none = total(o, WKV_TRAIN_RECOMPUTE_NONE, 0);
    uint64_t full = total(o, WKV_TRAIN_RECOMPUTE_FULL, 0);
    assert_true(total(o, WKV_TRAIN_RECOMPUTE_LIGHT, 0) < none);
    assert_true(full < total(o, WKV_TRAIN_RECOMPUTE_LIGHT, 0));
    assert_true(total(o, WKV_TRAIN_RECOMPUTE_NONE, 1) < none / 2);
    wkv_error err;
    wkv_trainer *t = NULL;
    const uint64_t held = wkv_memory_now();
    o.memory_limit = 1 << 20;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_MEMORY);
    assert_null(t);
    assert_non_null(strstr(err.text, "the limit is 0.001: parameters 0.00"));
    assert_non_null(strstr(err.text, "the least is recompute full with micro-batch 1"));
    o.memory_limit = held + none / 2 + (8 << 20);
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_MEMORY);
    assert_non_null(strstr(err.text, "what fits is recompute none with micro-batch "));
    o.memory_limit = held + 2 * none + (64 << 20);
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_OK);
    wkv_trainer_close(&t);
}

static void bad_options(void **state)
{
    wkv_error err;
    wkv_trainer *t = NULL;
    wkv_train_opts o = tiny_opts("rwkv7");
    o.recompute = (wkv_train_recompute)3;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "recompute: 3"));
    o = tiny_opts("rwkv7");
    o.activations = (wkv_train_activations)2;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "activations: 2"));
    o = tiny_opts("rwkv7");
    o.micro_batch = -1;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "micro-batch: -1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recomputing_changes_no_bit),
        cmocka_unit_test(bf16_learns_alike),
        cmocka_unit_test(full_is_exact),
        cmocka_unit_test(pieces_make_the_batch),
        cmocka_unit_test(pieces_resume_exactly),
        cmocka_unit_test(bf16_resumes_exactly),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, masked_documents, NULL);
}
