/* Preparing data: what is written, that threads change nothing, that bad lines are named, that
 * nothing is left of what was not finished, and that memory running out is survived. */
#include <glob.h>
#include <wkv/prepare.h>

#include "base/mem.h"
#include "base/rng.h"
#include "files.h"
#include "train/chat.h"
#include "train/data.h"

/* A vocabulary in which tokens overlap, so that where encoding begins matters. */
static const char VOCAB[] = "v.txt";

static void write_vocab(void)
{
    FILE *f = fopen(VOCAB, "wb");
    int id = 1;
    for (int b = 0; b < 256; b++)
        fprintf(f, "%d b'\\x%02x' 1\n", id++, b);
    static const char *const more[] = {"ab",  "aba",  "abab", "ba", "bb",
                                       "bab", "abba", "aaaa", " a"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        fprintf(f, "%d '%s' %zu\n", id++, more[i], strlen(more[i]));
    fclose(f);
}

typedef struct log {
    int n;
    uint64_t line[64];
    char why[64][200];
} bad_log;

static void remember(void *user, const char *input, uint64_t line, const char *why)
{
    bad_log *l = user;
    assert_non_null(input);
    if (l->n < 64) {
        l->line[l->n] = line;
        snprintf(l->why[l->n], sizeof l->why[0], "%s", why);
    }
    l->n++;
}

static wkv_prepare_opts opts(bad_log *l)
{
    wkv_prepare_opts o;
    wkv_prepare_opts_init(&o);
    o.threads = 1;
    o.bad_line = l != NULL ? remember : NULL;
    o.user = l;
    return o;
}

static wkv_prepare_report prepare(const char *prefix, const wkv_prepare_opts *o, const char *input)
{
    wkv_prepare *p;
    wkv_prepare_report r;
    wkv_error err;
    if (wkv_prepare_open(&p, prefix, o, &err) != WKV_OK ||
        wkv_prepare_add(p, input, WKV_INPUT_AUTO, &err) != WKV_OK ||
        wkv_prepare_finish(p, &err) != WKV_OK)
        fail_msg("%s", err.text);
    wkv_prepare_describe(p, &r);
    wkv_prepare_close(&p);
    return r;
}

/* A document as text, what is learnt in brackets. */
static void decode(const wkv_data *d, uint64_t document, char *out)
{
    bool open = false;
    for (uint64_t i = wkv_data_document(d, document); i < wkv_data_document(d, document + 1); i++) {
        bool learn = d->learn == NULL || d->learn[i] != 0;
        if (learn != open)
            *out++ = learn ? '[' : ']';
        open = learn;
        *out++ = d->ids[2 * i] == 0 ? '$' : (char)d->ids[2 * i];
    }
    if (open)
        *out++ = ']';
    *out = '\0';
}

static void conversations(void **state)
{
    static const char lines[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":"
        "\" a\\n\\n\\nb \"},{\"role\":\"assistant\",\"content\":\"c\"},{\"role\":\"user\","
        "\"content\":\"d\"},{\"role\":\"assistant\",\"content\":\"e\"}]}\n"
        "{\"prompt\":\"p\",\"response\":\"r\"}\n"
        "\n"
        "{\"instruction\":\"i\",\"input\":\"j\",\"output\":\"o\",\"system\":\"s\"}\r\n"
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":"
        "\"a\"}]}\n"
        "{\"text\":\"t\"}"; /* and no line end behind it */
    static const struct {
        const char *chat;
        const char *want[5];
    } cases[] = {
        {"world",
         {"System: S\n\nUser: a\nb\n\nAssistant:[ c\n\n]User: d\n\nAssistant:[ e$]",
          "User: p\n\nAssistant:[ r$]", "System: s\n\nUser: i\nj\n\nAssistant:[ o$]",
          "User: q\n\nAssistant:[ a$]", "[t$]"}},
        {"chatml",
         {"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na\n\n\nb<|im_end|>\n"
          "<|im_start|>assistant\n[c<|im_end|>\n]<|im_start|>user\nd<|im_end|>\n"
          "<|im_start|>assistant\n[e<|im_end|>\n$]",
          "<|im_start|>user\np<|im_end|>\n<|im_start|>assistant\n[r<|im_end|>\n$]",
          "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\ni\nj<|im_end|>\n"
          "<|im_start|>assistant\n[o<|im_end|>\n$]",
          "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[a<|im_end|>\n$]", "[t$]"}},
        {"alpaca",
         {"S\n\n### Instruction:\na\n\n\nb\n\n### Response:\n[c\n\n]### Instruction:\nd\n\n"
          "### Response:\n[e$]",
          "### Instruction:\np\n\n### Response:\n[r$]",
          "s\n\n### Instruction:\ni\nj\n\n### Response:\n[o$]",
          "### Instruction:\nq\n\n### Response:\n[a$]", "[t$]"}},
    };
    write_file("t.jsonl", lines, sizeof lines - 1);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        bad_log l = {0};
        wkv_prepare_opts o = opts(&l);
        o.chat_template = cases[c].chat;
        wkv_prepare_report r = prepare("t_chat", &o, "t.jsonl");
        wkv_data d = {0};
        assert_int_equal(wkv_data_open(&d, "t_chat", NULL, NULL), WKV_OK);
        assert_int_equal(wkv_data_documents(&d), 5);
        assert_int_equal(l.n, 0);
        for (uint64_t i = 0; i < 5; i++) {
            char text[512];
            decode(&d, i, text);
            assert_string_equal(text, cases[c].want[i]);
        }
        assert_int_equal(r.documents, 5);
        assert_int_equal(r.tokens, d.n);
        assert_true(r.masked && r.learnt > 0 && r.learnt < r.tokens);
        assert_true(d.ended);
        wkv_data_close(&d);
    }
    /* A set without a mask takes the place of one with, whose mask must go. */
    wkv_prepare_opts o = opts(NULL);
    write_file("t.txt", "plain", 5);
    wkv_prepare_report r = prepare("t_chat", &o, "t.txt");
    wkv_data d = {0};
    assert_false(r.masked);
    assert_int_equal(wkv_data_open(&d, "t_chat", NULL, NULL), WKV_OK);
    assert_null(d.learn);
    assert_int_equal(d.n, 6);
    wkv_data_close(&d);
}

static void bad_lines_are_named(void **state)
{
    static const char lines[] =
        "\xef\xbb\xbf{\"text\":\"fine\"}\n"
        "{\"text\":\"cut sho\n"
        "\n"
        "[1]\n"
        "{\"text\":\"\"}\n"
        "{\"no\":1}\n"
        "{\"messages\":[]}\n"
        "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}\n"
        "{\"messages\":[{\"role\":\"assistant\"}]}\n"
        "{\"text\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n"
        "{\"text\":\"caf\xc3\"}\n"
        "{\"text\":\"fine too\"}\n";
    static const struct {
        uint64_t line;
        const char *why;
    } want[] = {{2, "not valid JSON"},        {4, "not an object"},         {5, "an empty text"},
                {6, "neither \"text\" nor"},  {7, "without messages"},      {8, "of \"king\""},
                {9, "\"content\" is absent"}, {10, "longer than 80 bytes"}, {11, "not valid JSON"}};
    enum { N = sizeof want / sizeof want[0] };
    write_file("t.jsonl", lines, sizeof lines - 1);
    bad_log l = {0};
    wkv_prepare_opts o = opts(&l);
    o.longest_line = 80;
    wkv_prepare_report r = prepare("t_bad", &o, "t.jsonl");
    assert_int_equal(r.documents, 2);
    assert_int_equal(r.bad, N);
    assert_int_equal(l.n, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(l.line[i], want[i].line);
        if (strstr(l.why[i], want[i].why) == NULL)
            fail_msg("line %d: \"%s\" does not say \"%s\"", (int)l.line[i], l.why[i], want[i].why);
    }
    wkv_prepare *p;
    wkv_error err;
    o.strict = true;
    assert_int_equal(wkv_prepare_open(&p, "t_strict", &o, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_add(p, "t.jsonl", WKV_INPUT_AUTO, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "t.jsonl: line 2: "));
    wkv_prepare_close(&p);
    assert_false(wkv_path_exists("t_strict.bin"));
    assert_false(wkv_path_exists("t_strict.idx"));
}

/* A line of many megabytes is passed over without being held. */
static void endless_lines(void **state)
{
    FILE *f = fopen("t_long.jsonl", "wb");
    fputs("{\"text\":\"before\"}\n{\"text\":\"", f);
    for (int i = 0; i < 6 << 16; i++)
        fputs("0123456789abcdef0123456789abcdef", f);
    fputs("\"}\n{\"text\":\"after\"}\n", f);
    fclose(f);
    bad_log l = {0};
    wkv_prepare_opts o = opts(&l);
    o.longest_line = 100000;
    wkv_prepare_report r = prepare("t_long", &o, "t_long.jsonl");
    assert_int_equal(r.documents, 2);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.line[0], 2);
    o.longest_line = 64 << 20;
    r = prepare("t_long", &o, "t_long.jsonl");
    assert_int_equal(r.documents, 3);
    assert_int_equal(r.longest, (6 << 21) + 1);
}

static void same_file(const char *a, const char *b)
{
    wkv_map x, y;
    assert_int_equal(wkv_map_open(&x, a, NULL), WKV_OK);
    assert_int_equal(wkv_map_open(&y, b, NULL), WKV_OK);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    wkv_map_close(&x);
    wkv_map_close(&y);
}

/* One thread and many give the same files; a text cut into pieces at any place the ids of
 * the whole. */
static void threads_change_nothing(void **state)
{
    enum { N = 2500000 };
    char *text = malloc(N);
    wkv_rng rng;
    wkv_rng_seed(&rng, 5);
    for (int i = 0; i < N; i++)
        text[i] = i < N / 2        ? "ab"[wkv_rng_u64(&rng) % 2]
                  : i < N - 400000 ? 'a'
                                   : "ab \n"[(unsigned)i * (unsigned)i % 4];
    write_vocab();
    write_file("t_text.txt", text, N);
    FILE *f = fopen("t_lines.jsonl", "wb");
    for (int i = 0; i + 4000 < N; i += 1 + (int)(wkv_rng_u64(&rng) % 4000)) {
        if (i % 5 == 0)
            fputs("bad\n", f);
        fprintf(f,
                i % 3 == 0 ? "{\"text\":\"%.*s\"}\n" : "{\"prompt\":\"a\",\"response\":\"%.*s\"}\n",
                1 + (int)(wkv_rng_u64(&rng) % 3000), i < N / 2 ? text : "abba");
    }
    fclose(f);
    const char *const inputs[] = {"t_text.txt", "t_lines.jsonl"};
    const char *const suffixes[] = {".bin", ".idx", ".mask.bin", ".mask.idx"};
    for (int k = 0; k < 2; k++) {
        bad_log la = {0}, lb = {0};
        wkv_prepare_opts o = opts(&la);
        o.vocab = VOCAB;
        wkv_prepare_report a = prepare("t_one", &o, inputs[k]);
        o.user = &lb;
        o.threads = 3;
        wkv_prepare_report b = prepare("t_many", &o, inputs[k]);
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(la.n, lb.n);
        assert_memory_equal(la.line, lb.line, sizeof la.line);
        for (int i = 0; i < (k == 0 ? 2 : 4); i++) {
            char x[64], y[64];
            snprintf(x, sizeof x, "t_one%s", suffixes[i]);
            snprintf(y, sizeof y, "t_many%s", suffixes[i]);
            same_file(x, y);
        }
    }
    /* And these are the ids of the text encoded in one go. */
    wkv_tok *t;
    wkv_data d = {0};
    assert_int_equal(wkv_tok_open_spec(&t, VOCAB, NULL), WKV_OK);
    wkv_prepare_opts o = opts(NULL);
    o.vocab = VOCAB;
    o.threads = 2;
    prepare("t_many", &o, "t_text.txt");
    assert_int_equal(wkv_data_open(&d, "t_many", NULL, NULL), WKV_OK);
    int32_t *ids = malloc(N * sizeof *ids);
    size_t n = t->kind->encode(t, (const uint8_t *)text, N, ids, N);
    assert_int_equal(d.n, n + 1);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], d.ids[2 * i] | d.ids[2 * i + 1] << 8);
    wkv_data_close(&d);
    wkv_tok_close(&t);
    free(ids);
    free(text);
}

static bool stop_soon(void *user, const wkv_prepare_progress *p)
{
    (void)p;
    return --*(int *)user > 0;
}

static void stopped_work_leaves_nothing(void **state)
{
    int calls = 1;
    wkv_prepare *p;
    wkv_error err;
    wkv_prepare_opts o = opts(NULL);
    o.progress = stop_soon;
    o.user = &calls;
    write_file("t.txt", "some text", 9);
    assert_int_equal(wkv_prepare_open(&p, "t_stop", &o, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_add(p, "t.txt", WKV_INPUT_AUTO, &err), WKV_E_STATE);
    wkv_prepare_close(&p);
    glob_t left;
    assert_int_equal(glob("t_stop*", 0, NULL, &left), GLOB_NOMATCH);
    assert_int_equal(wkv_prepare_open(&p, "t_none", &o, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_finish(p, &err), WKV_E_MISSING);
    wkv_prepare_close(&p);
    o.chat_template = "none";
    assert_int_equal(wkv_prepare_open(&p, "t_none", &o, &err), WKV_E_ARGUMENT);
    assert_non_null(strstr(err.text, "world|chatml|alpaca"));
    assert_null(p);
}

static int fail_at;

static int countdown(void *user, size_t bytes)
{
    (void)user, (void)bytes;
    return --fail_at == 0;
}

/* The n-th allocation fails, for every n: a clean failure, or success. */
static void must_be_over(wkv_prepare *p, const char *why)
{
    wkv_error err;
    assert_int_equal(wkv_prepare_add(p, "t_over.txt", WKV_INPUT_AUTO, &err), WKV_E_STATE);
    assert_non_null(strstr(err.text, why));
    assert_int_equal(wkv_prepare_finish(p, &err), WKV_E_STATE);
    assert_non_null(strstr(err.text, why));
}

/* What is finished, or has failed, takes nothing more. */
static void calls_out_of_order(void **state)
{
    wkv_prepare_opts o = opts(NULL);
    wkv_prepare *p;
    write_file("t_over.txt", "text", 4);
    assert_int_equal(wkv_prepare_open(&p, "t_over", &o, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_finish(p, NULL), WKV_E_MISSING);
    assert_int_equal(wkv_prepare_add(p, "t_over.txt", WKV_INPUT_AUTO, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_finish(p, NULL), WKV_OK);
    must_be_over(p, "called before");
    wkv_prepare_close(&p);
    assert_int_equal(access("t_over.idx", F_OK), 0);

    assert_int_equal(wkv_prepare_open(&p, "t_failed", &o, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_add(p, "t_over.txt", WKV_INPUT_AUTO, NULL), WKV_OK);
    assert_int_equal(wkv_prepare_add(p, "t_absent.txt", WKV_INPUT_AUTO, NULL), WKV_E_IO);
    must_be_over(p, "failed before");
    wkv_prepare_close(&p);
    assert_int_equal(access("t_failed.idx", F_OK), -1);
}

static void out_of_memory(void **state)
{
    static const char lines[] = "{\"prompt\":\"p\",\"response\":\"r\"}\n{\"text\":\"t\"}\nbad\n";
    write_file("t.jsonl", lines, sizeof lines - 1);
    wkv_prepare_opts o = opts(NULL);
    for (int n = 1, done = 0; !done; n++) {
        wkv_prepare *p;
        wkv_error err;
        fail_at = n;
        wkv_mem_set_hook(countdown, NULL);
        wkv_status s = wkv_prepare_open(&p, "t_memory", &o, &err);
        if (s == WKV_OK)
            s = wkv_prepare_add(p, "t.jsonl", WKV_INPUT_AUTO, &err);
        if (s == WKV_OK)
            s = wkv_prepare_finish(p, &err);
        wkv_prepare_close(&p);
        wkv_mem_set_hook(NULL, NULL);
        done = s == WKV_OK && fail_at > 0;
        if (s != WKV_OK && s != WKV_E_MEMORY)
            fail_msg("allocation %d: %s", n, err.text);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations),
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(endless_lines),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(stopped_work_leaves_nothing),
        cmocka_unit_test(calls_out_of_order),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, own_folder, NULL);
}
