/* Documents: what rows are made of, that none sees another, that states are carried, and
 * that gradients go through as many windows as they are said to. */
#include <math.h>

#include "tiny.h"
#include "train/feed.h"
#include "train/trainer.h"

static const char *const ARCHS[] = {"rwkv4", "rwkv5", "rwkv6", "rwkv7"};
enum { N_ARCHS = sizeof ARCHS / sizeof ARCHS[0] };

/* ---- documents to test with ------------------------------------------------------------- */

/* Token j of document i is some function of both; */
static int32_t token_of(size_t i, size_t j)
{
    return (int32_t)(1 + (i * 31 + j * 7 + j * j % 11) % 200);
}

typedef struct content {
    const size_t *length;
    size_t variant; /* changes all documents but the first */
} content;

/* and 0 ends it. */
static int64_t written_id(const void *user, size_t i, size_t j)
{
    const content *c = user;
    return j + 1 == c->length[i] ? 0 : token_of(i + (i > 0) * c->variant, j);
}

static void write_documents(const char *prefix, const size_t *length, size_t n, size_t variant)
{
    const content c = {length, variant};
    write_items(prefix, 2, 8, length, n, written_id, &c);
}

static wkv_train_opts documents_opts(const char *arch, wkv_rows rows)
{
    wkv_train_opts o = tiny_opts(arch);
    o.data = "t_documents";
    o.vocab = NULL;
    o.vocab_size = 256;
    o.rows = rows;
    o.ctx = 64;
    o.batch = 2;
    o.steps = 1000;
    return o;
}

/* ---- rows --------------------------------------------------------------------------------- */

static const size_t LENGTHS[] = {20, 7, 1, 150, 33, 2, 64, 65, 12, 5, 90, 3};
enum { N_DOCUMENTS = sizeof LENGTHS / sizeof LENGTHS[0] };

typedef struct fixture {
    wkv_data data;
    wkv_mix mix;
    wkv_feed *feed;
    wkv_window window;
} fixture;

static void open_feed(fixture *x, wkv_feed_kind kind, bool once)
{
    memset(x, 0, sizeof *x);
    write_documents("t_documents", LENGTHS, N_DOCUMENTS, 0);
    assert_int_equal(wkv_data_open(&x->data, "t_documents", NULL, NULL), WKV_OK);
    assert_int_equal(wkv_data_documents(&x->data), N_DOCUMENTS);
    x->mix = (wkv_mix){.n = 1, .weight = {1}, .tokens = x->data.n};
    x->mix.part[0] = wkv_part_of(&x->data, 0, x->data.n);
    wkv_feed_opts o = {.kind = kind, .B = 2, .T = 64, .seed = 3, .vocab = 256, .once = once};
    assert_int_equal(wkv_feed_open(&x->feed, &o, &x->mix, NULL), WKV_OK);
    assert_true(wkv_window_init(&x->window, 2, 64, 2 * wkv_feed_per_row(kind, 64)));
}

static void close_feed(fixture *x)
{
    wkv_window_deinit(&x->window);
    wkv_feed_close(&x->feed);
    wkv_data_close(&x->data);
}

/* Which document, and where in it, a piece of n targets with this first input is. */
static void find(const wkv_window *w, int first, int n, size_t *document, size_t *at)
{
    for (*document = 0; *document < N_DOCUMENTS; ++*document)
        for (*at = 0; *at < LENGTHS[*document]; *at += 64) {
            size_t rest = LENGTHS[*document] - *at;
            bool same = w->ids[first] == (*at == 0 ? 0 : token_of(*document, *at - 1)) &&
                        n == (int)(rest < 64 ? rest : 64);
            for (size_t j = 0; j < (size_t)n && same; j++) {
                int32_t want = j + 1 == rest ? 0 : token_of(*document, *at + j);
                same = w->targets[(size_t)first + j] == want;
            }
            if (same)
                return;
        }
    fail_msg("%d targets from %d on are of no document", n, w->targets[first]);
}

/* Every token of every document is a target once; pieces begin where documents do, or at
 * multiples of ctx behind it; a document's first input is token 0. */
static void packs_every_token_once(void **state)
{
    fixture x;
    bool more;
    size_t seen[N_DOCUMENTS] = {0};
    open_feed(&x, WKV_FEED_PACK, true);
    const wkv_window *w = &x.window;
    for (;;) {
        assert_int_equal(wkv_feed_next(x.feed, &x.window, &more, NULL), WKV_OK);
        if (!more)
            break;
        assert_int_equal(w->start[w->n], 128);
        for (int i = 0; i < w->n; i++) {
            size_t document, at;
            int first = w->start[i], n = w->start[i + 1] - first;
            assert_int_equal(first / 64, (w->start[i + 1] - 1) / 64); /* inside a row */
            assert_int_equal(w->kept[i], -1);
            if (w->targets[first] < 0)
                continue; /* padding */
            find(w, first, n, &document, &at);
            seen[document] += (size_t)n;
        }
    }
    for (size_t i = 0; i < N_DOCUMENTS; i++)
        assert_int_equal(seen[i], LENGTHS[i]);
    close_feed(&x);
}

/* The document that begins with this target; their first tokens all differ. */
static size_t begun(int32_t target)
{
    size_t i = 0;
    while (i < N_DOCUMENTS && target != (LENGTHS[i] == 1 ? 0 : token_of(i, 0)))
        i++;
    assert_true(i < N_DOCUMENTS);
    return i;
}

/* A row goes on exactly where it stopped. */
static void carries_documents_from_end_to_end(void **state)
{
    fixture x;
    bool more;
    size_t seen = 0, last[2] = {0}, done[2] = {0};
    open_feed(&x, WKV_FEED_CARRY, false);
    const wkv_window *w = &x.window;
    for (int step = 0; step < 50; step++) {
        assert_int_equal(wkv_feed_next(x.feed, &x.window, &more, NULL), WKV_OK);
        assert_true(more);
        for (int i = 0; i < w->n; i++) {
            int first = w->start[i], n = w->start[i + 1] - first, row = first / 64;
            if (w->targets[first] < 0)
                continue;
            if (w->kept[i] >= 0) {
                assert_int_equal(w->kept[i], row);
                assert_int_equal(first % 64, 0);
            } else {
                assert_true(done[row] == 0 || done[row] == LENGTHS[last[row]]);
                assert_int_equal(w->ids[first], 0);
                last[row] = begun(w->targets[first]);
                done[row] = 0;
            }
            for (int j = 0; j < n; j++) {
                size_t k = ++done[row];
                int32_t want = k == LENGTHS[last[row]] ? 0 : token_of(last[row], k - 1);
                assert_int_equal(w->targets[first + j], want);
            }
            seen += (size_t)n;
        }
    }
    assert_true(seen > 50 * 128 * 9 / 10);
    close_feed(&x);
}

/* Going on from a step is the same as having gone there. */
static void seeks(void **state)
{
    const wkv_feed_kind kinds[] = {WKV_FEED_STREAM, WKV_FEED_PACK, WKV_FEED_CARRY};
    for (int k = 0; k < 3; k++) {
        fixture x, y;
        bool more;
        open_feed(&x, kinds[k], false);
        open_feed(&y, kinds[k], false);
        for (int i = 0; i < 23; i++)
            assert_int_equal(wkv_feed_next(x.feed, &x.window, &more, NULL), WKV_OK);
        wkv_feed_seek(y.feed, 22);
        assert_int_equal(wkv_feed_position(y.feed), 22);
        assert_int_equal(wkv_feed_next(y.feed, &y.window, &more, NULL), WKV_OK);
        assert_int_equal(x.window.n, y.window.n);
        assert_memory_equal(x.window.ids, y.window.ids, 128 * sizeof(int32_t));
        assert_memory_equal(x.window.targets, y.window.targets, 128 * sizeof(int32_t));
        close_feed(&x);
        close_feed(&y);
    }
}

/* Sources get tokens by their weights, whatever their sizes. */
static void mixes_by_weight(void **state)
{
    fixture x;
    bool more;
    open_feed(&x, WKV_FEED_PACK, false);
    wkv_feed_close(&x.feed);
    write_documents("t_other", LENGTHS, 3, 5);
    wkv_data other = {0};
    assert_int_equal(wkv_data_open(&other, "t_other", NULL, NULL), WKV_OK);
    x.mix.n = 2;
    x.mix.part[1] = wkv_part_of(&other, 0, other.n);
    x.mix.weight[0] = 300000;
    x.mix.weight[1] = 700000;
    const wkv_feed_kind kinds[] = {WKV_FEED_STREAM, WKV_FEED_PACK, WKV_FEED_CARRY};
    for (int k = 0; k < 3; k++) {
        wkv_feed_opts o = {.kind = kinds[k], .B = 2, .T = 16, .seed = 3, .vocab = 256};
        wkv_window w = {0};
        int64_t tokens = 0, zeros = 0;
        assert_int_equal(wkv_feed_open(&x.feed, &o, &x.mix, NULL), WKV_OK);
        assert_true(wkv_window_init(&w, 2, 16, 2 * wkv_feed_per_row(kinds[k], 16)));
        for (int i = 0; i < 2000; i++) {
            assert_int_equal(wkv_feed_next(x.feed, &w, &more, NULL), WKV_OK);
            tokens += w.learnt;
            for (int r = 0; r < 32; r++)
                zeros += w.targets[r] == 0;
        }
        /* Ends of documents: 12 in 452 tokens of the one, 3 in 28 of the other. */
        double want = 0.3 * 12 / 452 + 0.7 * 3 / 28, got = (double)zeros / (double)tokens;
        if (k > 0 && !(fabs(got / want - 1) < 0.02))
            fail_msg("feed %d: %g of the targets end a document, expected %g", k, got, want);
        wkv_window_deinit(&w);
        wkv_feed_close(&x.feed);
    }
    wkv_data_close(&other);
    close_feed(&x);
}

/* ---- no neighbour is seen ------------------------------------------------------------------- */

/* Loss and targets of the sequence that begins with this document's first targets. */
static bool loss_of(wkv_trainer *t, size_t length, double *loss)
{
    const wkv_window *w = &t->work.window[0];
    for (int i = 0; i < w->n; i++) {
        int first = w->start[i];
        if (w->start[i + 1] - first != (int)length || w->targets[first] != token_of(0, 0))
            continue;
        bool same = true;
        for (size_t j = 0; j + 1 < length; j++)
            same = same && w->targets[(size_t)first + j] == token_of(0, j);
        if (same) {
            *loss = 0;
            for (int r = first; r < w->start[i + 1]; r++)
                *loss += t->work.loss[r];
            return true;
        }
    }
    return false;
}

/* The first document among neighbours of other contents, lengths and number, in other places
 * of the batch, on one thread and two: the loss has the same bits.  The shapes are such that
 * products have a short last tile. */
static void no_neighbour_is_seen(void **state)
{
    static const size_t packs[][8] = {{29, 20, 11, 4, 33, 40, 12, 7},
                                      {29, 3, 3, 3, 3, 3, 3, 3},
                                      {29, 60, 60, 60, 60, 60, 60, 60},
                                      {29, 8, 64, 1, 1, 2, 64, 5}};
    const int ctx[] = {64, 50, 131};
    for (int a = 0; a < N_ARCHS; a++)
        for (int c = 0; c < 3; c++) {
            double want = 0;
            int places[2 * 131] = {0}, n_places = 0;
            for (int k = 0; k < 4 * 3; k++) {
                write_documents("t_documents", packs[k % 4], 8, (size_t)k);
                wkv_train_opts o = documents_opts(ARCHS[a], WKV_ROWS_PACK);
                o.ctx = ctx[c];
                o.width = 64;
                o.threads = 1 + k % 2;
                o.seed = 1;
                wkv_trainer *t = tiny_open(&o);
                t->opts.seed = (uint64_t)k;
                wkv_feed_opts f = wkv_trainer_feed_opts(t, false);
                wkv_feed_close(&t->feed);
                assert_int_equal(wkv_feed_open(&t->feed, &f, &t->train, NULL), WKV_OK);
                double loss = 0, sum;
                bool found = false, more;
                for (int i = 0; i < 8 && !found; i++) {
                    assert_int_equal(wkv_feed_next(t->feed, &t->work.window[0], &more, NULL),
                                     WKV_OK);
                    assert_int_equal(wkv_work_eval(&t->work, &sum, NULL), WKV_OK);
                    found = loss_of(t, 29, &loss);
                }
                assert_true(found);
                want = k == 0 ? loss : want;
                if (memcmp(&loss, &want, sizeof loss) != 0)
                    fail_msg(
                        "%s, ctx %d, pack %d: the document's loss is %.17g, among others %.17g",
                        ARCHS[a], ctx[c], k, loss, want);
                for (int i = 0; i < t->work.window[0].n; i++)
                    if (t->work.window[0].targets[t->work.window[0].start[i]] == token_of(0, 0))
                        n_places += places[t->work.window[0].start[i]]++ == 0;
                wkv_trainer_close(&t);
            }
            assert_true(n_places > 3); /* it did lie in different places */
        }
}

/* ---- states ---------------------------------------------------------------------------------- */

static void copy_gradient(real *to, wkv_trainer *t)
{
    double loss;
    wkv_optim_zero_grad(&t->optim);
    assert_int_equal(wkv_work_train(&t->work, &loss, NULL), WKV_OK);
    memcpy(to, t->optim.grad, t->optim.n * sizeof *to);
}

/* Gradients through two windows of 32 are those of one window of 64; through one, they are not,
 * though the losses are the same. */
static void gradients_through_windows(void **state)
{
    static const size_t lengths[] = {300, 20, 9, 211, 40};
    write_documents("t_documents", lengths, 5, 0);
    for (int a = 0; a < N_ARCHS; a++) {
        wkv_train_opts o = documents_opts(ARCHS[a], WKV_ROWS_CARRY);
        o.order = WKV_ORDER_SEQUENTIAL;
        wkv_trainer *whole = tiny_open(&o);
        o.ctx = 32;
        o.bptt = 2;
        wkv_trainer *two = tiny_open(&o);
        o.bptt = 1;
        wkv_trainer *one = tiny_open(&o);
        size_t n = whole->optim.n;
        real *g = malloc(n * sizeof *g), *h = malloc(n * sizeof *h);
        for (int step = 0; step < 4; step++) {
            bool more;
            double worst = 0, size = 0;
            wkv_feed_next(whole->feed, &whole->work.window[0], &more, NULL);
            for (int j = 0; j < 2; j++)
                wkv_feed_next(two->feed, &two->work.window[j], &more, NULL);
            assert_int_equal(whole->work.window[0].learnt,
                             two->work.window[0].learnt + two->work.window[1].learnt);
            copy_gradient(g, whole);
            copy_gradient(h, two);
            wkv_work_commit(&whole->work);
            wkv_work_commit(&two->work);
            for (size_t i = 0; i < n; i++) {
                worst = fmax(worst, fabs((double)g[i] - (double)h[i]));
                size = fmax(size, fabs((double)g[i]));
            }
            if (!(worst < (sizeof(real) == 8 ? 1e-12 : 2e-5) * size))
                fail_msg("%s, step %d: %g apart, of %g", ARCHS[a], step, worst, size);
        }
        bool more;
        double worst = 0;
        wkv_feed_seek(two->feed, 2); /* its second window goes on with the first document */
        wkv_feed_next(one->feed, &one->work.window[0], &more, NULL);
        copy_gradient(g, one);
        wkv_work_commit(&one->work);
        wkv_feed_next(one->feed, &one->work.window[0], &more, NULL);
        copy_gradient(h, one);
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, fabs((double)g[i] - (double)h[i]));
        assert_true(worst > 0);
        free(g);
        free(h);
        wkv_trainer_close(&one);
        wkv_trainer_close(&two);
        wkv_trainer_close(&whole);
    }
}

/* Saved anywhere and restored, on another number of threads, a run ends with the same bits. */
static void resumes_exactly(void **state)
{
    write_documents("t_documents", LENGTHS, N_DOCUMENTS, 0);
    const wkv_rows rows[] = {WKV_ROWS_PACK, WKV_ROWS_CARRY, WKV_ROWS_CARRY};
    for (int k = 0; k < 3; k++) {
        wkv_train_opts o = documents_opts("rwkv7", rows[k]);
        o.ctx = 16;
        o.bptt = k == 2 ? 3 : 1;
        wkv_error err;
        wkv_trainer *whole = tiny_open(&o), *first = tiny_open(&o);
        tiny_steps(whole, 11);
        tiny_steps(first, 7);
        assert_int_equal(wkv_trainer_save(first, "t_carry.safetensors", NULL), WKV_OK);
        wkv_trainer_close(&first);
        o.threads = 2;
        wkv_trainer *second = tiny_open(&o);
        if (wkv_trainer_restore(second, "t_carry.safetensors", &err) != WKV_OK)
            fail_msg("%s", err.text);
        tiny_steps(second, 4);
        assert_memory_equal(whole->optim.param, second->optim.param, whole->optim.n * sizeof(real));
        wkv_trainer_close(&second);
        wkv_trainer_close(&whole);
        o.rows = WKV_ROWS_STREAM;
        o.bptt = 1;
        second = tiny_open(&o);
        assert_int_equal(wkv_trainer_restore(second, "t_carry.safetensors", &err), WKV_E_SHAPE);
        assert_non_null(strstr(err.text, "rows = "));
        wkv_trainer_close(&second);
    }
}

/* ---- masks, and what is held out ----------------------------------------------------------------
 */

static void masked_tokens_are_not_learnt(void **state)
{
    int64_t ids[200], learn[200];
    for (int i = 0; i < 200; i++) {
        ids[i] = 1 + i % 50;
        learn[i] = i % 3 == 0;
    }
    write_binidx("t_masked", ids, 200, 2, 8);
    write_binidx("t_masked.mask", learn, 200, 1, 1);
    wkv_train_opts o = documents_opts("rwkv7", WKV_ROWS_STREAM);
    o.data = "t_masked";
    wkv_trainer *t = tiny_open(&o);
    wkv_step s;
    assert_int_equal(wkv_trainer_step(t, &s, NULL), WKV_OK);
    int64_t learnt = 0;
    for (int r = 0; r < 128; r++) {
        int32_t target = t->work.window[0].targets[r];
        learnt += target >= 0;
        assert_true(target < 0 || target == t->work.window[0].ids[r] % 50 + 1);
        assert_true((target < 0) == (t->work.loss[r] == 0));
    }
    assert_int_equal(s.learnt, learnt);
    assert_true(learnt >= 42 && learnt <= 43 + 1);
    wkv_trainer_close(&t);

    memset(learn, 0, sizeof learn); /* nothing at all: no loss, no gradient */
    write_binidx("t_masked.mask", learn, 200, 1, 1);
    t = tiny_open(&o);
    assert_int_equal(wkv_trainer_step(t, &s, NULL), WKV_OK);
    assert_true(s.learnt == 0 && s.loss == 0 && s.grad_norm == 0);
    wkv_trainer_close(&t);

    write_binidx("t_masked.mask", learn, 199, 1, 1);
    wkv_error err;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "t_masked.mask.bin: a mask of 199 tokens"));
}

/* One of a mask's two files alone is not passed over: everything would be learnt. */
static void half_a_mask(void **state)
{
    int64_t ids[40] = {0};
    write_binidx("t_half", ids, 40, 2, 8);
    wkv_train_opts o = tiny_opts("rwkv7");
    o.data = "t_half";
    o.vocab = NULL;
    for (int i = 0; i < 2; i++) {
        wkv_trainer *t;
        wkv_error err;
        write_binidx("t_half.mask", ids, 40, 1, 1);
        assert_int_equal(remove(i == 0 ? "t_half.mask.idx" : "t_half.mask.bin"), 0);
        assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_MISSING);
        assert_non_null(strstr(err.text, i == 0 ? "t_half.mask.idx: absent, but t_half.mask.bin"
                                                : "t_half.mask.bin: absent, but t_half.mask.idx"));
    }
}

static void documents_are_held_out_whole(void **state)
{
    write_documents("t_documents", LENGTHS, N_DOCUMENTS, 0);
    for (int k = 0; k < 3; k++) {
        wkv_train_opts o = documents_opts("rwkv7", (wkv_rows)k);
        o.val_fraction = 0.3;
        wkv_trainer *t = tiny_open(&o);
        uint64_t first = t->val.part[0].first;
        assert_int_equal(first, wkv_data_document(&t->data[0], t->val.part[0].document));
        assert_int_equal(t->train.tokens + t->val.tokens, t->data[0].n);
        assert_true(t->val.part[0].documents > 1);
        wkv_validation before, after;
        tiny_steps(t, 3);
        assert_int_equal(wkv_trainer_validate(t, &before, NULL), WKV_OK);
        assert_int_equal(wkv_trainer_validate(t, &after, NULL), WKV_OK);
        assert_true(before.loss == after.loss && before.loss > 1 && before.loss < 7);
        double next = tiny_steps(t, 1); /* and it leaves no trace in the run */
        wkv_trainer *u = tiny_open(&o);
        tiny_steps(u, 3);
        assert_true(next == tiny_steps(u, 1));
        wkv_trainer_close(&u);
        wkv_trainer_close(&t);
    }
}

static void contradictions(void **state)
{
    wkv_train_source s[2] = {{TINY_TEXT, 1}, {TINY_TEXT, 0}};
    wkv_train_opts o = tiny_opts("rwkv7");
    wkv_trainer *t;
    wkv_error err;
    o.bptt = 2;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "bptt"));
    o.bptt = 1;
    o.sources = s;
    o.n_sources = 2;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT); /* both data and sources */
    o.data = NULL;
    assert_int_equal(wkv_trainer_open(&t, &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "give one to each, or to none"));
    s[1].weight = 2;
    t = tiny_open(&o);
    tiny_steps(t, 2);
    wkv_trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_every_token_once),
        cmocka_unit_test(carries_documents_from_end_to_end),
        cmocka_unit_test(seeks),
        cmocka_unit_test(mixes_by_weight),
        cmocka_unit_test(no_neighbour_is_seen),
        cmocka_unit_test(gradients_through_windows),
        cmocka_unit_test(resumes_exactly),
        cmocka_unit_test(masked_tokens_are_not_learnt),
        cmocka_unit_test(half_a_mask),
        cmocka_unit_test(documents_are_held_out_whole),
        cmocka_unit_test(contradictions),
    };
    return cmocka_run_group_tests(tests, tiny_text, NULL);
}
