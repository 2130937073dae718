/* apps/cli/cmd_convert.c - `wkv convert`: one model file from another. */
#include "cli/cli.h"
#include "cli/convert_check.h"
#include "cli/progress.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    const char *format, *dtype, *vocab;
    double tolerance;
    bool check, json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT(
        "format", format, "NAME",
        "format of OUT: safetensors, pth, gguf, rwkv.cpp, or hf for a Hugging Face folder; "
        "without it, by the suffix of OUT (rwkv.cpp: .bin), hf when that is a folder or "
        "ends in /")},
    {WKV_OPT_CHOICE("dtype", dtype, "f32|f16|bf16",
                    "type of the matrices in OUT; without it, as in IN")},
    {WKV_OPT_TEXT("vocab", vocab, "VOCAB",
                  "put this tokenizer inside: 'bytes' or a vocabulary file")},
    {WKV_OPT_FLAG("check", check,
                  "write nothing: compare IN and OUT tensor by tensor, and fail when they differ")},
    {WKV_OPT_DOUBLE(
        "tolerance", tolerance, "T", 0, 1,
        "with --check: how far a tensor's values may lie apart, as a part of the largest in IN")},
    WKV_CLI_JSON_OPTION,
};

static const wkv_arg_operand operands[] = {
    {.name = "IN", .help = "a model file of any known format, or a Hugging Face folder"},
    {.name = "OUT", .help = "the file or folder to write; it appears whole or not at all"},
};

static const char *const examples[] = {
    "wkv convert RWKV-x070-World-0.1B.pth model.safetensors --vocab rwkv_vocab_v20230424.txt",
    "one file that carries weights and vocabulary",
    "wkv convert model.safetensors small.safetensors --dtype bf16",
    "half the size",
    "wkv convert model.pth model-hf/",
    "a folder that Hugging Face's libraries open",
    NULL};

static int report(const char *out, bool json)
{
    wkv_file *f;
    wkv_error err;
    if (wkv_file_open(&f, out, &err) != WKV_OK)
        return wkv_term_error("convert", "%s", err.text);
    const long long bytes = wkv_cli_model_bytes(out);
    if (json) {
        wkv_json j;
        wkv_json_init(&j, stdout);
        wkv_json_open(&j, NULL, '{');
        wkv_json_string(&j, "file", out);
        wkv_json_string(&j, "format", wkv_file_format(f));
        wkv_json_uint(&j, "tensors", wkv_file_tensor_count(f));
        wkv_json_int(&j, "bytes", bytes);
        wkv_json_close(&j, '}');
    } else {
        fprintf(stderr, "%s: %s, %zu tensors, %lld bytes\n", out, wkv_file_format(f),
                wkv_file_tensor_count(f), bytes);
    }
    wkv_file_close(&f);
    return WKV_EXIT_OK;
}

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
    return wkv_progress_show(user, "written", "B", done, total);
}

/* Options that would do nothing are mistakes; false after a message. */
static bool options_fit(const wkv_args *args, const options *o)
{
    if (!o->check && wkv_args_given(&wkv_cmd_convert, args, "tolerance"))
        return wkv_args_wrong(&wkv_cmd_convert, "--tolerance goes with --check only");
    if (o->check && (o->format != NULL || o->dtype != NULL || o->vocab != NULL))
        return wkv_args_wrong(
            &wkv_cmd_convert,
            "--check writes nothing; it goes with none of --format, --dtype and --vocab");
    return true;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    wkv_convert_opts c;
    wkv_progress progress = {0};
    wkv_error err;
    if (!options_fit(args, o))
        return WKV_EXIT_USAGE;
    if (o->check)
        return wkv_convert_check(args->operand[0], args->operand[1], o->tolerance, o->json);
    wkv_convert_opts_init(&c);
    c.format = o->format;
    c.dtype = o->dtype;
    c.vocab = o->vocab;
    c.user = &progress;
    c.on_progress = show_progress;
    wkv_term_catch_stop();
    if (wkv_convert(args->operand[0], args->operand[1], &c, &err) != WKV_OK)
        return wkv_progress_failed("convert", args->operand[1], &err);
    wkv_term_progress_end();
    return report(args->operand[1], o->json);
}

const wkv_command wkv_cmd_convert = {
    .name = "convert",
    .summary = "turn one model file into another form",
    .description =
        "Reads a model of any known format, recognised by its content, and writes it "
        "in another. Tensors get the names and orientation of RWKV-LM, whatever the "
        "form they come from; a Hugging Face folder gets those of transformers (RWKV-4) or "
        "flash-linear-attention (RWKV-7). --check compares what is in two files, whatever "
        "their forms.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .run = run,
};
