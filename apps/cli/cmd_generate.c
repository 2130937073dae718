/* apps/cli/cmd_generate.c - `wkv generate`: a model continues a text, token by token.
 *
 * The prompt is fed as it is read, in pieces, so that it may be of any length.  How what
 * is drawn becomes text is in speech.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/speech.h"
#include "common/relay.h"
#include "common/term.h"

typedef struct options {
    wkv_cli_model_opts model;
    wkv_sampler_opts sampler;
    const char *prompt, *state_in, *state_out;
    wkv_arg_list stop;
    int64_t n;
    bool ids, echo, json, stats;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("prompt", prompt, "TEXT", "the text to continue; without it, standard input is"),
     .letter = 'p'},
    {WKV_OPT_LONG("tokens", n, "N", 0, 1e9, "how many tokens to produce at most"), .letter = 'n'},
    {WKV_OPT_FLOAT("temperature", sampler.temperature, "X", 0, 1000,
                   "evens out (above 1) or sharpens the choice; 0: always the most likely token")},
    {WKV_OPT_FLOAT("top-p", sampler.top_p, "X", 0, 1,
                   "choose among the likeliest tokens that together have this probability")},
    {WKV_OPT_INT("top-k", sampler.top_k, "N", 0, INT32_MAX,
                 "choose among this many of the likeliest; 0: no limit")},
    {WKV_OPT_FLOAT("presence", sampler.presence, "X", -1000, 1000,
                   "taken once from the logit of every token already produced")},
    {WKV_OPT_FLOAT("frequency", sampler.frequency, "X", -1000, 1000,
                   "taken for each time that it was produced")},
    {WKV_OPT_FLOAT("penalty-decay", sampler.penalty_decay, "X", 0, 1,
                   "how much of each such time is left after every token")},
    {WKV_OPT_SEED("seed", sampler.seed, "the same seed gives the same text")},
    {WKV_OPT_LIST("stop", stop, "TEXT", "end before this text; may be given several times")},
    {WKV_OPT_FLAG("echo", echo, "print the prompt first")},
    {WKV_OPT_TEXT("state-in", state_in, "FILE",
                  "go on from a saved state; penalties and the seed's numbers begin anew")},
    {WKV_OPT_TEXT(
        "state-out", state_out, "FILE",
        "save the state at the end: prompt and all that was produced, a --stop text too")},
    {WKV_OPT_FLAG("ids", ids, "the prompt is token ids, and ids are printed")},
    WKV_CLI_JSON_OPTION,
    {WKV_OPT_FLAG("stats", stats,
                  "say at the end, on standard error, how many tokens were read and produced, and "
                  "how fast")},
    WKV_CLI_MODEL_OPTIONS(model),
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a model file of any known format"}};

static const char *const examples[] = {
    "wkv generate model.safetensors -p 'ROMEO:' -n 200 --seed 7",
    "continue a text, in a way that can be repeated",
    "wkv generate model.safetensors -p 'Question: Why?' --stop 'Question:' --temperature 0",
    "the likeliest answer, up to the next question",
    "wkv generate model.safetensors --state-out s.state -n 0 < long.txt",
    "read a long text once; later: --state-in s.state",
    NULL};

static void init(void *opts)
{
    options *o = opts;
    wkv_sampler_opts_init(&o->sampler);
    o->n = 256;
}

/* A run: the model, and where the text goes. */
typedef struct run_state {
    const options *o;
    const char *path; /* of the model */
    wkv_model *model;
    wkv_session *session;
    wkv_sampler *sampler;
    const wkv_tokenizer *tokenizer; /* NULL when the model has none: then ids only */
    wkv_model_info info;
    int32_t *unused; /* ids that stand for nothing, n_unused of them */
    float *masked;   /* [V] logits with those ruled out */
    int32_t n_unused;
    wkv_speech speech;
    int64_t n_prompt; /* tokens of the prompt that were fed */
    double ready, read, produced; /* when the model was open, the prompt fed, the last token said */
} run_state;

static bool fail(const char *what)
{
    wkv_term_error("generate", "%s", what);
    return false;
}

/* ---- the prompt ---------------------------------------------------------------------- */

static bool feed(void *user, const int32_t *ids, size_t n)
{
    run_state *r = user;
    wkv_status s = wkv_session_feed(r->session, ids, n);
    if (s == WKV_OK) {
        r->n_prompt += (int64_t)n;
        return !wkv_term_stopped();
    }
    char text[WKV_CLI_FEED_ERROR];
    size_t bad = 0;
    while (s == WKV_E_TOKEN && bad + 1 < n && ids[bad] >= 0 && ids[bad] < r->info.vocab)
        bad++;
    if (s == WKV_E_TOKEN)
        wkv_term_error("generate", "id %d is outside the model's vocabulary of %d", (int)ids[bad],
                       (int)r->info.vocab);
    else
        wkv_term_error("generate", "%s", wkv_cli_feed_error(r->model, r->session, n, s, text));
    return false;
}

static bool feed_echo(void *user, const int32_t *ids, size_t n)
{
    run_state *r = user;
    wkv_speech_echo(&r->speech, ids, n);
    return feed(user, ids, n);
}

/* The prompt as a stream: what -p says, or standard input.  With a saved state and a
 * terminal as standard input, there is none. */
static FILE *open_prompt(const options *o)
{
    if (o->prompt != NULL)
        return o->prompt[0] != '\0' ? fmemopen((void *)(uintptr_t)o->prompt, strlen(o->prompt), "r")
                                    : fopen("/dev/null", "r");
    if (wkv_term_is_terminal(stdin) && o->state_in != NULL)
        return fopen("/dev/null", "r");
    if (wkv_term_is_terminal(stdin))
        fprintf(stderr, "wkv generate: type the text to continue; end it with Ctrl-D\n");
    wkv_relay_standard_input();
    return stdin;
}

static int32_t line_feed(const wkv_tokenizer *t)
{
    int32_t id = 0;
    wkv_tokenizer_encode(t, "\n", 1, &id, 1);
    return id;
}

static bool feed_prompt(run_state *r)
{
    const options *o = r->o;
    const char *name = o->prompt != NULL ? "--prompt" : "standard input";
    FILE *in = open_prompt(o);
    if (in == NULL)
        return fail("the prompt cannot be read");
    bool (*sink)(void *, const int32_t *, size_t) = o->echo ? feed_echo : feed;
    bool ok = o->ids ? wkv_cli_read_ids("generate", in, name, sink, r)
                     : wkv_cli_encode("generate", r->tokenizer, 1, in, name, NULL, sink, r);
    wkv_cli_close_input(in);
    if (!ok || wkv_session_logits(r->session) != NULL)
        return ok;
    /* Nothing to go on from: begin as a text begins, after the end of another. */
    size_t n;
    const char *none = r->tokenizer != NULL ? wkv_tokenizer_token(r->tokenizer, 0, &n) : NULL;
    int32_t first = 0;
    if (none == NULL || n > 0) /* no id for the end of a document: the end of a line */
        first = r->tokenizer != NULL ? line_feed(r->tokenizer) : 0;
    return feed(r, &first, 1);
}

/* ---- drawing ---------------------------------------------------------------------------- */

/* Models have logits for ids that no vocabulary uses; those are never to be drawn. */
static bool find_unused(run_state *r)
{
    size_t v = (size_t)r->info.vocab, n;
    r->unused = malloc(v * sizeof *r->unused);
    r->masked = malloc(v * sizeof *r->masked);
    if (r->unused == NULL || r->masked == NULL)
        return false;
    for (int32_t id = 0; r->tokenizer != NULL && id < r->info.vocab; id++)
        if (wkv_tokenizer_token(r->tokenizer, id, &n) == NULL)
            r->unused[r->n_unused++] = id;
    return true;
}

static const float *allowed_logits(run_state *r)
{
    const float *logits = wkv_session_logits(r->session);
    if (r->n_unused == 0)
        return logits;
    memcpy(r->masked, logits, (size_t)r->info.vocab * sizeof *logits);
    for (int32_t i = 0; i < r->n_unused; i++)
        r->masked[r->unused[i]] = -INFINITY;
    return r->masked;
}

/* The text is as long as the model can read: said once, at the end. */
static bool at_limit(run_state *r)
{
    char text[WKV_CLI_FEED_ERROR];
    if (r->info.max_length == 0 || wkv_session_position(r->session) < (uint64_t)r->info.max_length)
        return false;
    fprintf(stderr, "\nwkv generate: %s\n",
            wkv_cli_feed_error(r->model, r->session, 1, WKV_E_LIMIT, text));
    return true;
}

static bool fail_at_logits(const run_state *r)
{
    wkv_term_error("generate",
                   "%s: the model gave no finite logit; 'wkv info --tensors' says which weights "
                   "are NaN or infinite",
                   r->path);
    return false;
}

static bool produce(run_state *r)
{
    int32_t id = -1;
    for (int64_t i = 0; i < r->o->n; i++) {
        if (wkv_term_stopped()) {
            r->speech.end = "interrupt";
            break;
        }
        if (id >= 0 && at_limit(r)) {
            r->speech.end = "limit";
            id = -1; /* drawn, but no state can hold it */
            break;
        }
        if (id >= 0 && wkv_session_feed(r->session, &id, 1) != WKV_OK)
            return fail("a token could not be fed");
        id = wkv_sampler_next(r->sampler, allowed_logits(r));
        if (id < 0)
            return fail_at_logits(r);
        if (!wkv_speech_say(&r->speech, id))
            break;
        if (!r->o->json && (fflush(stdout) != 0 || ferror(stdout)))
            return true; /* told at the end */
    }
    wkv_speech_finish(&r->speech, r->n_prompt);
    if (r->speech.failed)
        return fail("out of memory");
    /* The state to be saved holds all that was said. */
    return r->o->state_out == NULL || id < 0 || at_limit(r) ||
           wkv_session_feed(r->session, &id, 1) == WKV_OK || fail("a token could not be fed");
}

/* ---- the run ------------------------------------------------------------------------------ */

static bool prepare(run_state *r)
{
    const options *o = r->o;
    wkv_error err;
    wkv_model_describe(r->model, &r->info);
    r->tokenizer = wkv_model_tokenizer(r->model);
    if (r->tokenizer == NULL && !o->ids)
        return fail("the model carries no tokenizer; say --vocab FILE, or --ids");
    if (!find_unused(r))
        return fail("out of memory");
    if (r->tokenizer == NULL && o->stop.n > 0)
        return fail("--stop needs text, but the model carries no tokenizer; say --vocab FILE");
    wkv_speech_init(&r->speech,
                    o->json  ? WKV_SPEECH_JSON
                    : o->ids ? WKV_SPEECH_IDS
                             : WKV_SPEECH_TEXT,
                    r->tokenizer, o->stop.item, o->stop.n);
    if (wkv_sampler_open(&r->sampler, r->info.vocab, &o->sampler, r->tokenizer, &err) != WKV_OK ||
        (o->state_in != NULL && wkv_session_load(r->session, o->state_in, &err) != WKV_OK))
        return fail(err.text);
    return true;
}

static void show_rate(const char *did, int64_t tokens, double seconds, const char *end)
{
    fprintf(stderr, "%s %lld tokens in %.2f s", did, (long long)tokens, seconds);
    if (seconds > 0)
        fprintf(stderr, ", %.1f tokens/s", (double)tokens / seconds);
    fputs(end, stderr);
}

static void show_stats(const run_state *r)
{
    if (!r->o->stats)
        return;
    fflush(stdout);
    if (r->speech.form == WKV_SPEECH_TEXT) /* which need not have ended its line */
        fputc('\n', stderr);
    show_rate("read", r->n_prompt, r->read - r->ready, "; ");
    show_rate("produced", (int64_t)r->speech.n_drawn, r->produced - r->read, "\n");
}

static bool save_state(run_state *r)
{
    wkv_error err;
    if (r->o->state_out == NULL || wkv_session_save(r->session, r->o->state_out, &err) == WKV_OK)
        return true;
    return fail(err.text);
}

/* A state that is gone on with may be replaced, the model may not. */
static bool spares(const options *o, const char *model)
{
    const char *const read[] = {model, o->model.vocab, o->model.adapter, o->model.adapter_init,
                                o->model.state};
    for (size_t i = 0; i < WKV_COUNT(read); i++)
        if (!wkv_cli_spares("generate", o->state_out, read[i]))
            return false;
    return true;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    run_state r = {.o = o, .path = args->operand[0]};
    for (int i = 0; i < o->stop.n; i++) {
        if (o->stop.item[i][0] == '\0') {
            fprintf(stderr, "wkv generate: --stop: expected a text, found an empty one\n");
            return WKV_EXIT_USAGE;
        }
    }
    if (!spares(o, args->operand[0]) ||
        !wkv_cli_open("generate", args->operand[0], &o->model, &r.model, &r.session))
        return WKV_EXIT_FAILURE;
    wkv_term_catch_stop();
    r.ready = wkv_term_clock();
    bool ok = prepare(&r) && feed_prompt(&r);
    r.read = wkv_term_clock();
    ok = ok && produce(&r);
    r.produced = wkv_term_clock();
    ok = ok && save_state(&r);
    if (ok)
        show_stats(&r);
    free(r.masked);
    free(r.unused);
    wkv_speech_deinit(&r.speech);
    wkv_sampler_close(&r.sampler);
    wkv_session_close(&r.session);
    wkv_model_close(&r.model);
    return wkv_term_stopped() ? WKV_EXIT_INTERRUPT : ok ? WKV_EXIT_OK : WKV_EXIT_FAILURE;
}

const wkv_command wkv_cmd_generate = {
    .name = "generate",
    .summary = "let a model continue a text",
    .description =
        "Continues the prompt and prints what the model adds, character by character. The "
        "choice of each token follows RWKV's customary order: penalties, top-p, top-k, then "
        "the temperature. It ends after -n tokens, at a --stop text, or where the model ends "
        "the document.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
