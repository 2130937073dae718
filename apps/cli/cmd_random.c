/* apps/cli/cmd_random.c - `wkv random-model`: a model of any shape to measure with. */
#include <sys/stat.h>

#include "cli/cli.h"
#include "common/term.h"

static const wkv_arg_option table[] = {
    {.name = "arch",
     .type = WKV_ARG_CHOICE,
     .offset = offsetof(wkv_random_opts, arch),
     .choices_of = wkv_arch_names,
     .help = "architecture"},
    {.name = "layers",
     .type = WKV_ARG_INT,
     .offset = offsetof(wkv_random_opts, layers),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "number of layers"},
    {.name = "width",
     .type = WKV_ARG_INT,
     .offset = offsetof(wkv_random_opts, width),
     .value = "N",
     .min = 1,
     .max = 1 << 20,
     .help = "width of the residual stream"},
    {.name = "head-size",
     .type = WKV_ARG_INT,
     .offset = offsetof(wkv_random_opts, head_size),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "size of a head; divides the width"},
    {.name = "vocab",
     .type = WKV_ARG_INT,
     .offset = offsetof(wkv_random_opts, vocab_size),
     .value = "N",
     .min = 1,
     .max = 1 << 26,
     .help = "number of token ids"},
    {.name = "tokenizer",
     .type = WKV_ARG_TEXT,
     .offset = offsetof(wkv_random_opts, vocab),
     .value = "VOCAB",
     .help = "put this tokenizer inside: 'bytes' or a vocabulary file"},
    {.name = "ffn-sparsity",
     .type = WKV_ARG_DOUBLE,
     .offset = offsetof(wkv_random_opts, ffn_sparsity),
     .value = "F",
     .min = 0,
     .max = 0.999,
     .help = "fraction of the channel mixing's keys that are exactly zero after relu^2, on "
             "average, as in trained models; 0: as it comes, about half"},
    {.name = "dtype",
     .type = WKV_ARG_CHOICE,
     .offset = offsetof(wkv_random_opts, dtype),
     .choices = "f32|f16|bf16",
     .help = "type of the matrices"},
    {.name = "format",
     .type = WKV_ARG_TEXT,
     .offset = offsetof(wkv_random_opts, format),
     .value = "NAME",
     .help = "format of OUT, e.g. gguf; without it, by the suffix of OUT"},
    {.name = "seed",
     .type = WKV_ARG_SEED,
     .offset = offsetof(wkv_random_opts, seed),
     .value = "N",
     .help = "the same seed gives the same file"},
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

static int run(const wkv_args *args, void *opts)
{
    const char *out = args->operand[0];
    wkv_error err;
    if (wkv_random_model(out, opts, &err) != WKV_OK)
        return wkv_term_error("random-model", "%s", err.text);
    struct stat st;
    fprintf(stderr, "%s: %lld bytes\n", out, stat(out, &st) == 0 ? (long long)st.st_size : 0);
    return WKV_EXIT_OK;
}

const wkv_command wkv_cmd_random = {
    .name = "random-model",
    .summary = "write a model with random weights, to measure with",
    .description = "The model has the shape of a real one and its activations stay near one "
                   "however many tokens it reads, but what it says means nothing. Speed depends "
                   "on shape, type and sparsity alone, so such a model measures as a real one "
                   "does.",
    .operands = operands,
    .n_operands = WKV_COUNT(operands),
    .options = table,
    .n_options = WKV_COUNT(table),
    .examples = examples,
    .options_size = sizeof(wkv_random_opts),
    .init = init,
    .run = run,
};
