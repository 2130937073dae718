/* apps/cli/cmd_merge.c - `wkv merge`: an adapter or an initial state becomes part of a model. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "common/term.h"

typedef struct options {
    const char *out, *format, *dtype, *init;
    double alpha;
    int32_t threads;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("out", out, "FILE", "the model to write; it appears whole or not at all"),
     .letter = 'o'},
    {WKV_OPT_TEXT("format", format, "NAME",
                  "its format, as in 'wkv convert'; without it, by the suffix")},
    {WKV_OPT_CHOICE("dtype", dtype, "f32|f16|bf16",
                    "type of its matrices; without it, as in BASE")},
    {WKV_CLI_ALPHA_OPTION(alpha)},
    {WKV_CLI_INIT_OPTION(init)},
    WKV_CLI_THREADS_OPTION(threads),
};

static const wkv_arg_operand operands[] = {
    {.name = "BASE", .help = "the model that PIECE was trained from, of any known format"},
    {.name = "PIECE", .help = "a LoRA or PiSSA adapter, or initial states (state tuning)"},
};

static const char *const examples[] = {
    "wkv merge model.safetensors tuned/adapter.safetensors -o merged.safetensors",
    "one file that needs no adapter; every program that reads models runs it",
    "wkv merge RWKV-x070-World-0.4B.pth rwkv-9.pth --adapter-alpha 32 -o merged.pth",
    "a LoRA of RWKV-PEFT, which was trained with lora_alpha 32",
    "wkv merge model.pth tuned/state.pth -o merged.pth",
    "a model that begins with a tuned state",
    NULL};

static bool show_progress(void *user, bool merging, uint64_t done, uint64_t total)
{
    return wkv_progress_show(user, merging ? "merged" : "written", "B", done, total);
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    wkv_merge_opts m;
    wkv_progress progress = {0};
    wkv_error err;
    if (o->out == NULL) {
        wkv_args_wrong(&wkv_cmd_merge, "--out is missing");
        return WKV_EXIT_USAGE;
    }
    wkv_merge_opts_init(&m);
    m.alpha = o->alpha;
    m.init = o->init;
    m.format = o->format;
    m.dtype = o->dtype;
    m.threads = o->threads;
    m.user = &progress;
    m.on_progress = show_progress;
    wkv_term_catch_stop();
    if (wkv_merge(args->operand[0], args->operand[1], o->out, &m, &err) != WKV_OK)
        return wkv_progress_failed("merge", o->out, &err);
    wkv_term_progress_end();
    fprintf(stderr, "%s: %s with %s\n", o->out, args->operand[0], args->operand[1]);
    return WKV_EXIT_OK;
}

const wkv_command wkv_cmd_merge = {
    .name = "merge",
    .summary = "make an adapter or a tuned state part of a model",
    .description =
        "Adds a low-rank adapter (LoRA, PiSSA) to the matrices of the model that it was trained "
        "from, or puts initial states inside, and writes the result as a model of its own. "
        "Without writing one, 'wkv generate --adapter' and '--state' do the same.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .run = run,
};
