/* apps/cli/cmd_bench.c - `wkv bench`: how fast a model runs here, and how near that is
 * to what the memory and the arithmetic units allow. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/bench_run.h"
#include "common/term.h"

typedef struct options {
    wkv_cli_model_opts model;
    const char *batch, *prompt, *position;
    double seconds;
    int32_t repeat;
    bool json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("batch", batch, "LIST",
                  "numbers of sequences that decode together, a token of each at a time; 0: none"),
     .letter = 'b'},
    {WKV_OPT_TEXT("prompt", prompt, "LIST",
                  "lengths of prompts, each fed as one sequence; 0: none"),
     .letter = 'p'},
    {WKV_OPT_TEXT("position", position, "LIST",
                  "instead of these, what one token costs after so many others, such as "
                  "100,100000")},
    {WKV_OPT_DOUBLE("seconds", seconds, "S", 0.001, 3600,
                    "how long a repetition of each takes, at least"),
     .letter = 's'},
    {WKV_OPT_INT("repeat", repeat, "N", 1, WKV_BENCH_REPEAT,
                 "repetitions; the median counts, and half of what lies between the extremes is "
                 "the spread"),
     .letter = 'r'},
    WKV_CLI_JSON_OPTION,
    WKV_CLI_MODEL_OPTIONS(model),
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a model file of any known format"}};

static const char *const examples[] = {"wkv bench model.gguf",
                                       "decoding and prompts, with the default threads",
                                       "wkv bench model.gguf --threads 1 --batch 1 --prompt 0",
                                       "decoding alone, with one thread",
                                       "wkv bench model.gguf --position 100,100000",
                                       "does a token cost more late in a text?",
                                       NULL};

static void init(void *opts)
{
    options *o = opts;
    o->batch = "1,8,32";
    o->prompt = "32,512";
    o->seconds = 0.4;
    o->repeat = 5;
}

/* The next number of a list "1,8,32"; false at its end, and after a message, with *ok false,
 * where something else stands. */
static bool next_number(const char **list, const char *option, int64_t max, int64_t *out, bool *ok)
{
    if (*list == NULL || **list == '\0')
        return false;
    char *end;
    const long long v = strtoll(*list, &end, 10);
    *ok = **list >= '0' && **list <= '9' && v <= max &&
          (*end == '\0' || (*end == ',' && end[1] != '\0'));
    if (!*ok) {
        wkv_term_error("bench",
                       "--%s: numbers from 0 to %" PRId64 " with commas between them were "
                       "expected, found '%s'",
                       option, max, *list);
        return false;
    }
    *list = *end == ',' ? end + 1 : end;
    *out = v;
    return true;
}

/* A case for each number of the list but 0. */
static bool add_cases(wkv_bench *b, const char *list, const char *option, int64_t max,
                      wkv_bench_case (*make)(int64_t v))
{
    bool ok = true;
    for (int64_t v; next_number(&list, option, max, &v, &ok);) {
        wkv_bench_case c = make(v);
        if (v == 0 && c.position == 0)
            continue;
        if (b->n == WKV_BENCH_CASES) {
            wkv_term_error("bench", "more than %d cases", WKV_BENCH_CASES);
            return false;
        }
        b->cases[b->n++] = c;
    }
    return ok;
}

static wkv_bench_case decode_case(int64_t v)
{
    return (wkv_bench_case){.decode = true, .batch = (int32_t)v, .tokens = 1};
}

static wkv_bench_case prompt_case(int64_t v)
{
    return (wkv_bench_case){.batch = 1, .tokens = (int32_t)v};
}

static wkv_bench_case position_case(int64_t v)
{
    return (wkv_bench_case){.decode = true, .batch = 1, .tokens = 1, .position = v};
}

static bool make_cases(wkv_bench *b, const options *o)
{
    const bool ok = o->position != NULL
                        ? add_cases(b, o->position, "position", INT64_C(1) << 40, position_case)
                        : add_cases(b, o->batch, "batch", WKV_BENCH_WIDTH, decode_case) &&
                              add_cases(b, o->prompt, "prompt", 1 << 20, prompt_case);
    if (ok && b->n == 0)
        wkv_term_error("bench", "there is nothing to measure: --batch, --prompt or --position "
                                "must name something");
    return ok && b->n > 0;
}

static int measure(wkv_bench *b, const options *o)
{
    wkv_model *model;
    wkv_model_opts opts;
    wkv_error err;
    wkv_cli_fill_model_opts(&opts, &o->model);
    if (wkv_model_open(&model, b->path, &opts, &err) != WKV_OK)
        return wkv_term_error("bench", "%s", err.text);
    b->model = model;
    wkv_model_describe(model, &b->info);
    const int code = wkv_bench_run(b);
    wkv_term_progress_end();
    if (code == WKV_EXIT_OK)
        (o->json ? wkv_bench_print_json : wkv_bench_print)(b);
    wkv_bench_free(b);
    wkv_model_close(&model);
    return code;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    wkv_bench *b = calloc(1, sizeof *b);
    if (b == NULL)
        return wkv_term_error("bench", "out of memory");
    b->path = args->operand[0];
    b->repeat = o->repeat;
    b->seconds = o->seconds;
    if (!make_cases(b, o)) {
        free(b);
        return WKV_EXIT_USAGE;
    }
    const int code = measure(b, o);
    free(b);
    return code;
}

const wkv_command wkv_cmd_bench = {
    .name = "bench",
    .summary = "measure how fast a model runs on this machine",
    .description =
        "Measures decoding (one token at a time, of one sequence or several together) and "
        "reading a prompt, and sets both against what the machine reaches: bytes read from "
        "memory, 8-bit products in registers, and a large product of floats, measured in the "
        "same run with the same threads. Bytes and operations are counted from the weights: "
        "what a token has to read, without weights of channel mixing that meet a zero; what "
        "the matrices have to multiply, without norms and recurrences. A model that fits into "
        "the processor's caches may reach more than 100 % of the memory's speed.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
