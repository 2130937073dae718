/* apps/cli/cmd_quantize.c - `wkv quantize`: a model with matrices of fewer bits. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    wkv_quantize_opts q;
    const char *calibrate;
    bool pure, verbose, json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_CHOICE_OF("type", q.type, wkv_quantize_types,
                       "type of the matrices; a mix gives some of them more bits"),
     .value = "TYPE",
     .letter = 't'},
    {WKV_OPT_FLAG("pure", pure, "this type for every matrix, head and embedding included")},
    {WKV_OPT_TEXT("calibrate", calibrate, "FILE",
                  "run the model over this text first; columns of a matrix that it uses more then "
                  "err less")},
    {WKV_OPT_LONG("calibrate-tokens", q.calibrate_tokens, "N", 0, 1e12,
                  "read at most so many tokens of it; 0: all")},
    {WKV_OPT_TEXT("format", q.format, "NAME",
                  "format of OUT, gguf or rwkv.cpp; without it, by the suffix of OUT")},
    {WKV_OPT_TEXT("vocab", q.vocab, "VOCAB",
                  "put this tokenizer inside: 'bytes' or a vocabulary file")},
    WKV_CLI_THREADS_OPTION(q.threads),
    {WKV_OPT_FLAG("verbose", verbose,
                  "print type, size and error of each tensor that is quantised"),
     .letter = 'v'},
    WKV_CLI_JSON_OPTION,
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a model file of any known format"},
    {.name = "OUT", .help = "the file to write; it appears whole or not at all"},
};

static const char *const examples[] = {
    "wkv quantize model.pth model-q8.gguf",
    "a quarter of the size of float32, hardly any loss",
    "wkv quantize model.pth model-q4.gguf --type q4 --calibrate text.txt",
    "an eighth of it; a text like those that the model will see tells what matters",
    "wkv quantize model.safetensors model.bin --type q5_1",
    "a file for rwkv.cpp",
    NULL};

/* What the callbacks are told. */
typedef struct view {
    const options *o;
    wkv_progress progress;
} view;

static bool show_progress(void *user, bool calibrating, uint64_t done, uint64_t total)
{
    view *v = user;
    return wkv_progress_show(&v->progress, calibrating ? "read" : "quantised",
                             calibrating ? " tokens" : " weights", done, total);
}

static void show_tensor(void *user, const wkv_quantize_step *s)
{
    const view *v = user;
    if (v->o->verbose)
        fprintf(v->o->json ? stderr : stdout, "%-36s %-4s -> %-4s %11llu -> %10llu  %.6f\n",
                s->tensor, s->from, s->to, (unsigned long long)s->bytes_before,
                (unsigned long long)s->bytes_after, s->error);
}

static void report(const char *out, const options *o, const wkv_quantize_result *r)
{
    if (o->json) {
        wkv_json j;
        wkv_json_init(&j, stdout);
        wkv_json_open(&j, NULL, '{');
        wkv_json_string(&j, "file", out);
        wkv_json_string(&j, "type", o->q.type);
        wkv_json_uint(&j, "bytes_before", r->bytes_before);
        wkv_json_uint(&j, "bytes_after", r->bytes_after);
        wkv_json_uint(&j, "elements", r->elements);
        wkv_json_uint(&j, "quantised", r->quantised);
        wkv_json_number(&j, "error", r->error, 6);
        wkv_json_uint(&j, "calibration_tokens", r->calibrated);
        wkv_json_close(&j, '}');
        return;
    }
    char before[32], after[32];
    fprintf(stderr, "%s: %s, %sB of weights were %sB, %.2f bits a weight, error %.4f\n", out,
            o->q.type, wkv_cli_short((double)r->bytes_after, after),
            wkv_cli_short((double)r->bytes_before, before),
            8.0 * (double)r->bytes_after / (double)r->elements, r->error);
}

static void init(void *opts)
{
    options *o = opts;
    wkv_quantize_opts_init(&o->q);
}

static int run(const wkv_args *args, void *opts)
{
    options *o = opts;
    wkv_error err;
    wkv_quantize_result result;
    view v = {.o = o};
    if (o->calibrate == NULL && wkv_args_given(&wkv_cmd_quantize, args, "calibrate-tokens")) {
        wkv_args_wrong(&wkv_cmd_quantize, "--calibrate-tokens goes with --calibrate only");
        return WKV_EXIT_USAGE;
    }
    o->q.pure = o->pure;
    o->q.calibrate = o->calibrate;
    o->q.user = &v;
    o->q.on_tensor = show_tensor;
    o->q.on_progress = show_progress;
    wkv_term_catch_stop();
    if (wkv_quantize(args->operand[0], args->operand[1], &o->q, &result, &err) != WKV_OK)
        return wkv_progress_failed("quantize", args->operand[1], &err);
    wkv_term_progress_end();
    report(args->operand[1], o, &result);
    return WKV_EXIT_OK;
}

const wkv_command wkv_cmd_quantize = {
    .name = "quantize",
    .summary = "make a model smaller and faster, with matrices of fewer bits",
    .description = "Writes the model with its matrices in blocks of 8 to 2 bits a weight, as GGUF, "
                   "which llama.cpp reads as well, or for rwkv.cpp. Vectors and low-rank factors, "
                   "which are few and sensitive, keep their type. The head, and in the mixes "
                   "(_m) what adds to the residual stream, get more bits than the rest.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
