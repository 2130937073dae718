/* apps/cli/cmd_eval.c - `wkv eval perplexity`: how well a model predicts a text, and how far
 * another one's predictions are from its own.
 *
 * The text is cut into windows of --ctx tokens, each read from the initial state; the first
 * token of a window is not predicted.  A window is read in pieces, as prompts are, by one model
 * and then by the other, for which the first one's logits wait: what is held does not grow with the
 * text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/eval_compare.h"
#include "common/json_out.h"
#include "common/relay.h"
#include "common/term.h"

enum { PIECE = 64 };

typedef struct options {
    wkv_cli_model_opts model;
    const char *against;
    int32_t ctx;
    bool json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("against", against, "MODEL2",
                  "a second model of the same vocabulary, such as MODEL quantised: reports how far "
                  "its next-token distributions are from MODEL's; --adapter and --state are for "
                  "both")},
    {WKV_OPT_INT("ctx", ctx, "N", 2, 1 << 20,
                 "tokens of a window; each begins at the initial state, and its first token is not "
                 "predicted")},
    WKV_CLI_JSON_OPTION,
    WKV_CLI_MODEL_OPTIONS(model),
};

static const wkv_arg_operand operands[] = {
    {.name = "MEASURE", .help = "what to measure: perplexity"},
    {.name = "MODEL", .help = "a model file of any known format"},
    {.name = "FILE", .help = "the text to predict; '-' is standard input"},
};

static const char *const examples[] = {
    "wkv eval perplexity model.gguf text.txt", "perplexity and bits per byte",
    "wkv eval perplexity model.gguf text.txt --against model-q4.gguf",
    "what quantisation changed: perplexity, KL divergence, equal top tokens", NULL};

static void init(void *opts)
{
    ((options *)opts)->ctx = 1024;
}

typedef struct reader {
    const char *path;
    wkv_model *model;
    wkv_session *session;
} reader;

typedef struct job {
    const options *o;
    reader first, second; /* second.model is NULL without --against */
    int32_t vocab;
    int32_t *ids; /* of a window, n of them so far */
    size_t n, at; /* where the piece begins that is read */
    float *held;  /* [PIECE, V] what the first model said of it; NULL without --against */
    wkv_eval_sums sums;
    const reader *failed; /* whose logits were not finite, for token `failed_at` */
    uint64_t failed_at;
    double bytes, total_bytes; /* of predicted tokens; of the file, 0 when unknown */
    double start;
} job;

static bool fail(const char *text)
{
    wkv_term_error("eval", "%s", text);
    return false;
}

/* ---- models -------------------------------------------------------------------------- */

static void close_reader(reader *r)
{
    wkv_session_close(&r->session);
    wkv_model_close(&r->model);
}

static bool open_reader(reader *r, const char *path, const options *o)
{
    r->path = path;
    return wkv_cli_open("eval", path, &o->model, &r->model, &r->session);
}

/* ---- reading -------------------------------------------------------------------------- */

/* The last token of a window is predicted but not read. */
static bool fail_to_feed(const reader *r, int32_t ctx, wkv_status status)
{
    wkv_model_info info;
    if (status != WKV_E_LIMIT)
        return fail(wkv_status_text(status));
    wkv_model_describe(r->model, &info);
    wkv_term_error("eval", "--ctx: expected at most %d, since %s was made for %d tokens, found %d",
                   (int)info.max_length + 1, info.arch, (int)info.max_length, (int)ctx);
    return false;
}

/* Weighs the token behind number i of the piece. */
static void weigh(job *j, size_t i, const float *first, const float *second)
{
    const int32_t target = j->ids[j->at + i + 1];
    size_t bytes = 0;
    wkv_tokenizer_token(wkv_model_tokenizer(j->first.model), target, &bytes);
    j->bytes += (double)bytes;
    wkv_eval_add(&j->sums, first, second, j->vocab, target);
    if (j->failed != NULL || (isfinite(j->sums.nll) && isfinite(j->sums.nll2)))
        return;
    j->failed = isfinite(j->sums.nll) ? &j->second : &j->first;
    j->failed_at = j->sums.tokens;
}

static void hear_first(void *user, size_t i, const float *logits)
{
    job *j = user;
    const size_t V = (size_t)j->vocab;
    if (j->held != NULL)
        memcpy(j->held + i * V, logits, V * sizeof *logits);
    else
        weigh(j, i, logits, NULL);
}

static void hear_second(void *user, size_t i, const float *logits)
{
    job *j = user;
    weigh(j, i, j->held + i * (size_t)j->vocab, logits);
}

static bool read_piece(job *j, const reader *r, size_t n,
                       void (*hear)(void *user, size_t i, const float *logits))
{
    const wkv_status s = wkv_session_feed_each(r->session, j->ids + j->at, n, hear, j);
    return s == WKV_OK || fail_to_feed(r, j->o->ctx, s);
}

/* One logit that is no number, and the mean is none. */
static bool all_finite(const job *j)
{
    if (j->failed != NULL)
        wkv_term_error("eval",
                       "%s: the logits for token %llu are not finite, so the text has no "
                       "perplexity; 'wkv info --tensors' says which weights are NaN or infinite",
                       j->failed->path, (unsigned long long)j->failed_at);
    return j->failed == NULL;
}

static void show_progress(const job *j)
{
    const double seconds = wkv_term_clock() - j->start, n = (double)j->sums.tokens;
    if (j->sums.tokens == 0 || !wkv_term_progress_due())
        return;
    char left[48] = "";
    if (j->total_bytes > j->bytes && j->bytes > 0)
        snprintf(left, sizeof left, ", %.0f s left",
                 seconds * (j->total_bytes - j->bytes) / j->bytes);
    wkv_term_progress("%.0f tokens, %.0f tokens/s%s, perplexity %.4f", n, n / seconds, left,
                      exp(j->sums.nll / n));
}

/* The tokens gathered. */
static bool read_window(job *j)
{
    wkv_session_reset(j->first.session);
    if (j->held != NULL)
        wkv_session_reset(j->second.session);
    for (j->at = 0; j->at + 1 < j->n; j->at += PIECE) {
        const size_t left = j->n - 1 - j->at, n = left < PIECE ? left : PIECE;
        if (!read_piece(j, &j->first, n, hear_first) ||
            (j->held != NULL && !read_piece(j, &j->second, n, hear_second)) || !all_finite(j))
            return false;
        show_progress(j);
        if (wkv_term_stopped())
            return false;
    }
    j->n = 0;
    return true;
}

static bool gather(void *user, const int32_t *ids, size_t n)
{
    job *j = user;
    const size_t ctx = (size_t)j->o->ctx;
    while (n > 0) {
        const size_t take = n < ctx - j->n ? n : ctx - j->n;
        memcpy(j->ids + j->n, ids, take * sizeof *ids);
        j->n += take;
        ids += take;
        n -= take;
        if (j->n == ctx && !read_window(j))
            return false;
    }
    return true;
}

/* ---- results -------------------------------------------------------------------------- */

static void print_result(const job *j, bool json)
{
    const wkv_eval_sums *s = &j->sums;
    const double n = (double)s->tokens, mean = s->nll / n;
    const double spread = sqrt(fmax(s->nll_squares / n - mean * mean, 0) / n);
    const double bits = j->bytes > 0 ? s->nll / log(2.0) / j->bytes : NAN;
    const bool two = j->second.model != NULL;
    wkv_json out;
    wkv_json_init(&out, stdout);
    if (json) {
        wkv_json_open(&out, NULL, '{');
        wkv_json_uint(&out, "tokens", s->tokens);
        wkv_json_int(&out, "ctx", j->o->ctx);
        wkv_json_number(&out, "perplexity", exp(mean), 9);
        wkv_json_number(&out, "nll", mean, 9);
        wkv_json_number(&out, "nll_standard_error", spread, 4);
        wkv_json_number(&out, "bits_per_byte", bits, 9);
        if (two) {
            wkv_json_number(&out, "perplexity2", exp(s->nll2 / n), 9);
            wkv_json_number(&out, "kl_mean", s->kl / n, 6);
            wkv_json_number(&out, "kl_99", wkv_eval_kl_quantile(s, 0.99), 4);
            wkv_json_number(&out, "same_top", (double)s->same_top / n, 6);
        }
        wkv_json_close(&out, '}');
        return;
    }
    printf("perplexity    %.5f +- %.5f\n", exp(mean), exp(mean) * spread);
    printf("bits per byte %.5f\n", bits);
    printf("tokens        %.0f predicted, in windows of %d\n", n, (int)j->o->ctx);
    if (!two)
        return;
    printf("perplexity 2  %.5f (%+.3f %%)\n", exp(s->nll2 / n),
           100 * expm1((s->nll2 - s->nll) / n));
    printf("KL divergence %.6g mean, %.6g at 99 %%\n", s->kl / n, wkv_eval_kl_quantile(s, 0.99));
    printf("same top      %.3f %%\n", 100 * (double)s->same_top / n);
}

/* ---- the command ----------------------------------------------------------------------- */

static bool check(job *j, const char *model)
{
    wkv_model_info a, b;
    wkv_model_describe(j->first.model, &a);
    j->vocab = a.vocab;
    if (wkv_model_tokenizer(j->first.model) == NULL) {
        wkv_term_error("eval", "%s: the model carries no tokenizer; say --vocab FILE", model);
        return false;
    }
    if (j->second.model == NULL)
        return true;
    wkv_model_describe(j->second.model, &b);
    if (a.vocab != b.vocab) {
        wkv_term_error("eval", "--against %s: expected a vocabulary of %d ids, found %d",
                       j->o->against, (int)a.vocab, (int)b.vocab);
        return false;
    }
    j->held = malloc(PIECE * (size_t)a.vocab * sizeof *j->held);
    return j->held != NULL || fail("out of memory");
}

static bool read_text(job *j, const char *path)
{
    FILE *in = wkv_cli_open_input("eval", path);
    if (in == NULL)
        return false;
    if (in == stdin)
        wkv_relay_standard_input();
    const char *name = in == stdin ? "standard input" : path;
    struct stat st;
    j->total_bytes = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (double)st.st_size : 0;
    j->start = wkv_term_clock();
    bool ok =
        wkv_cli_encode("eval", wkv_model_tokenizer(j->first.model), 1, in, name, NULL, gather, j);
    wkv_cli_close_input(in);
    ok = ok && read_window(j);
    wkv_term_progress_end();
    if (!ok || j->sums.tokens > 0)
        return ok;
    wkv_term_error("eval", "%s: the text has fewer than two tokens", name);
    return false;
}

static int perplexity(const wkv_args *args, const options *o)
{
    job *j = calloc(1, sizeof *j);
    if (j != NULL)
        j->ids = malloc((size_t)o->ctx * sizeof *j->ids);
    if (j == NULL || j->ids == NULL) {
        free(j);
        return wkv_term_error("eval", "out of memory");
    }
    j->o = o;
    wkv_term_catch_stop();
    bool ok = open_reader(&j->first, args->operand[1], o) &&
              (o->against == NULL || open_reader(&j->second, o->against, o)) &&
              check(j, args->operand[1]) && read_text(j, args->operand[2]);
    if (ok)
        print_result(j, o->json);
    close_reader(&j->first);
    close_reader(&j->second);
    free(j->held);
    free(j->ids);
    free(j);
    return ok ? WKV_EXIT_OK : wkv_term_stopped() ? WKV_EXIT_INTERRUPT : WKV_EXIT_FAILURE;
}

static int run(const wkv_args *args, void *opts)
{
    if (strcmp(args->operand[0], "perplexity") == 0)
        return perplexity(args, opts);
    wkv_term_error("eval", "MEASURE: expected perplexity, found '%s'", args->operand[0]);
    return WKV_EXIT_USAGE;
}

const wkv_command wkv_cmd_eval = {
    .name = "eval",
    .summary = "measure how well a model predicts a text",
    .description =
        "Perplexity is e to the mean negative log-likelihood of the tokens; bits per byte "
        "compares models of different vocabularies. With --against, the mean and the 99 % "
        "quantile of the Kullback-Leibler divergence KL(MODEL || MODEL2), in nats, of the "
        "next-token distributions, and how often both think the same token the likeliest: the "
        "measure of a quantisation. FILE is one text; it is cut into windows of --ctx tokens.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
