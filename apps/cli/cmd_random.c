/* apps/cli/cmd_random.c - `wkv random-model`: a model of any shape to measure with. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "common/term.h"

typedef wkv_random_opts options;

static const wkv_arg_option table[] = {
    {WKV_OPT_CHOICE_OF("arch", arch, wkv_arch_names, "architecture")},
    {WKV_OPT_INT("layers", layers, "N", 1, 4096, "number of layers")},
    {WKV_OPT_INT("width", width, "N", 1, 1 << 20, "width of the residual stream")},
    {WKV_OPT_INT("head-size", head_size, "N", 1, 4096, "size of a head; divides the width")},
    {WKV_OPT_INT("window", window, "N", 0, 1 << 20,
                 "tokens with weights of their own (aft-local, aft-conv); 0: 32")},
    {WKV_OPT_INT("length", length, "N", 0, 1 << 20,
                 "positions with parameters (aft-local, aft-full), the longest text of aft-full; "
                 "0: 1024")},
    {WKV_OPT_FLAG("token-shift", token_shift, "AFT with token shift in time mixing")},
    {WKV_OPT_INT("vocab", vocab_size, "N", 1, 1 << 26, "number of token ids")},
    {WKV_OPT_TEXT("tokenizer", vocab, "VOCAB",
                  "put this tokenizer inside: 'bytes' or a vocabulary file")},
    {WKV_OPT_DOUBLE("ffn-sparsity", ffn_sparsity, "F", 0, 0.999,
                    "fraction of the channel mixing's keys that are exactly zero after relu^2, on "
                    "average, as in trained models; 0: as it comes, about half")},
    {WKV_OPT_CHOICE("dtype", dtype, "f32|f16|bf16", "type of the matrices")},
    {WKV_OPT_TEXT("format", format, "NAME",
                  "format of OUT, e.g. gguf; without it, by the suffix of OUT")},
    {WKV_OPT_SEED("seed", seed, "the same seed gives the same file")},
};

static const wkv_arg_operand operands[] = {
    {.name = "OUT", .help = "the file to write; it appears whole or not at all"},
};

static const char *const examples[] = {
    "wkv random-model bench.gguf --layers 12 --width 768 --dtype f16",
    "the shape of RWKV-7 0.1B, for wkv bench and other programs",
    "wkv random-model sparse.safetensors --ffn-sparsity 0.8",
    "four of five channel-mixing keys are zero, as in trained models", NULL};

static void init(void *opts)
{
    wkv_random_opts *o = opts;
    wkv_random_opts_init(o);
    o->dtype = "f32";
}

static bool show_progress(void *user, bool making, uint64_t done, uint64_t total)
{
    return wkv_progress_show(user, making ? "made" : "written", "B", done, total);
}

static int run(const wkv_args *args, void *opts)
{
    const char *out = args->operand[0];
    options *o = opts;
    wkv_progress progress = {0};
    wkv_error err;
    o->user = &progress;
    o->on_progress = show_progress;
    wkv_term_catch_stop();
    if (wkv_random_model(out, o, &err) != WKV_OK)
        return wkv_progress_failed("random-model", out, &err);
    wkv_term_progress_end();
    fprintf(stderr, "%s: %lld bytes\n", out, wkv_cli_model_bytes(out));
    return WKV_EXIT_OK;
}

const wkv_command wkv_cmd_random = {
    .name = "random-model",
    .summary = "write a model with random weights, to measure with",
    .description = "The model has the shape of a real one and its activations stay near one "
                   "however many tokens it reads, but what it says means nothing. Speed depends "
                   "on shape, type and sparsity alone, so such a model measures as a real one "
                   "does.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
