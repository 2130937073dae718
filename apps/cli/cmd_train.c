/* apps/cli/cmd_train.c - `wkv train`: its options, and what they make of a run; the run itself
 * is in train_run.c. */
#include <signal.h>
#include <string.h>

#include "cli/train_init.h"
#include "cli/train_preset.h"
#include "cli/train_run.h"
#include "common/http.h"
#include "common/term.h"

typedef wkv_train_options options;

static const wkv_arg_option table[] = {
    {WKV_OPT_LIST(
        "data", data, "FILE|PREFIX[:W]",
        "what to learn: a text file, or the PREFIX of PREFIX.bin and PREFIX.idx, which 'wkv "
        "prepare' makes; again for each further source, W being its share of the tokens "
        "(default: by their sizes)")},
    {WKV_OPT_TEXT("out", out, "DIR",
                  "folder of the run; an earlier run there is replaced, or resumed")},
    {WKV_OPT_FLAG(
        "resume", resume,
        "go on with the run in DIR, bit for bit as if it had not stopped; its options need not "
        "be repeated")},
    {WKV_OPT_CHOICE("preset", preset, WKV_TRAIN_PRESETS,
                    "settings to begin with, which other options override; rwkv-lm-v7: RWKV-LM's "
                    "reference run, RWKV-7 on MiniPile")},
    {WKV_OPT_CHOICE_OF("arch", t.arch, wkv_arch_names, "architecture of a new model")},
    {WKV_OPT_INT("layers", t.layers, "N", 1, 4096, "layers of a new model")},
    {WKV_OPT_INT("width", t.width, "N", 1, 1 << 20, "width of a new model")},
    {WKV_OPT_INT("head-size", t.head_size, "N", 1, 1 << 16,
                 "head size of a new model, where it has heads")},
    {WKV_OPT_INT(
        "window", t.window, "N", 1, 1 << 20,
        "window of a new model, where it has one (aft-local, aft-conv): tokens with weights of "
        "their own")},
    {WKV_OPT_INT(
        "length", t.length, "N", 0, 1 << 20,
        "positions with parameters of a new model, where it has such (aft-local, aft-full): the "
        "longest text of aft-full; 0: ctx")},
    {WKV_OPT_FLAG("token-shift", t.token_shift,
                  "a new AFT model mixes each token with the one before it, as RWKV does")},
    {WKV_OPT_TEXT("vocab", t.vocab, "bytes|FILE", "tokenizer: the bytes, or a vocabulary file")},
    {WKV_OPT_INT("vocab-size", t.vocab_size, "N", 0, 1 << 24,
                 "number of token ids where no vocabulary says it; 0: from the data")},
    {WKV_OPT_TEXT("init", t.init, "MODEL",
                  "start from this model, which decides architecture, shapes and vocabulary; what "
                  "is given of them must agree")},
    WKV_TRAIN_TUNE_OPTIONS(tune, t),
    {WKV_OPT_INT("ctx", t.ctx, "N", 1, 1 << 20, "tokens in a row")},
    {WKV_OPT_INT("batch", t.batch, "N", 1, 1 << 16, "rows in a step")},
    {WKV_OPT_INT("micro-batch", t.micro_batch, "N", 0, 1 << 16,
                 "rows that pass at a time, for less memory; gradients are added up over the "
                 "batch; 0: all rows")},
    {WKV_OPT_CHOICE("recompute", recompute, "none|light|full",
                    "what the backward pass computes again instead of keeping it, for less memory: "
                    "light, what costs little; full, all but the inputs of layers; the result is "
                    "the same, bit for bit")},
    {WKV_OPT_CHOICE("activations", activations, "f32|bf16",
                    "as what activations wait for the backward pass; bf16 takes about half the "
                    "memory, and changes gradients a little; nothing with --recompute full")},
    {WKV_OPT_TEXT("memory-limit", memory_limit, "SIZE",
                  "do not begin a run that is going to take more memory: 8GB, 500MB, 2GiB")},
    {WKV_OPT_LONG("steps", t.steps, "N", 1, 1e12, "steps in all")},
    {WKV_OPT_DOUBLE("lr", t.lr, "X", 1e-12, 1e3, "learning rate after the warm-up")},
    {WKV_OPT_DOUBLE("lr-final", t.lr_final, "X", 0, 1e3,
                    "learning rate at the end; between, a cosine")},
    {WKV_OPT_LONG("warmup", t.warmup, "N", 0, 1e12,
                  "steps of linear warm-up from a hundredth of the rate")},
    {WKV_OPT_DOUBLE("weight-decay", t.weight_decay, "X", 0, 1e3, "weight decay of the matrices")},
    {WKV_OPT_DOUBLE("beta1", t.beta1, "X", 0, 1, "decay of the gradient's mean"), .below = true},
    {WKV_OPT_DOUBLE("beta2", t.beta2, "X", 0, 1, "decay of the gradient's square"), .below = true},
    {WKV_OPT_DOUBLE("adam-eps", t.adam_eps, "X", 1e-30, 1, "added to the root of the square")},
    {WKV_OPT_DOUBLE("clip", t.clip, "X", 0, 1e30, "largest norm of the whole gradient; 0: any")},
    {WKV_OPT_CHOICE("order", order, "random|sequential", "which rows make a step")},
    {WKV_OPT_FLAG(
        "pack", pack,
        "fill rows with whole documents, each from the initial state, so that none sees another; "
        "without it a row is any stretch of the data, as RWKV-LM trains")},
    {WKV_OPT_FLAG(
        "carry", carry,
        "each row reads a document from end to end and keeps the state from step to step")},
    {WKV_OPT_INT(
        "bptt", t.bptt, "N", 1, 1 << 16,
        "with --carry: windows of ctx tokens in a step, through all of which gradients flow")},
    {WKV_OPT_SEED("seed", t.seed, "of the first weights and of the order")},
    {WKV_OPT_TEXT("val", t.val, "FILE", "held-out data of the same kind")},
    {WKV_OPT_DOUBLE("val-fraction", t.val_fraction, "X", 0, 1,
                    "hold out this part at the end of the data, when there is no --val"),
     .below = true},
    {WKV_OPT_LONG("val-every", val_every, "N", 0, 1e12,
                  "steps between validations; 0: only at the end")},
    {WKV_OPT_LONG("save-every", save_every, "N", 0, 1e12,
                  "steps between checkpoints; 0: only at the end")},
    {WKV_OPT_LONG("keep", keep, "K", 0, 1e12, "keep the K newest checkpoints; 0: all")},
    {WKV_OPT_LONG("keep-every", keep_every, "M", 0, 1e12,
                  "keep also, for good, a checkpoint every M steps; 0: none")},
    {WKV_OPT_DOUBLE("guard", t.guard, "X", 0, 1e6,
                    "skip a step whose loss or gradient norm is more than X spreads above the "
                    "median of the last ones; 0: only one that is not finite")},
    {WKV_OPT_INT("guard-stop", t.guard_stop, "N", 1, 1 << 20,
                 "stop training when N steps in a row would be skipped")},
    {WKV_OPT_LIST("sample-prompt", sample.prompts, "TEXT",
                  "a prompt that the model goes on with now and then, shown and kept in "
                  "samples.jsonl; may be given several times")},
    {WKV_OPT_TEXT("sample-file", sample.file, "FILE",
                  "more of them, one a line, in which \\n is a line end")},
    {WKV_OPT_LONG("sample-every", sample_every, "N", 0, 1e12,
                  "steps between samples; 0: only at the end")},
    {WKV_OPT_LONG("sample-tokens", sample.tokens, "N", 1, 1e6, "tokens of a sample, at most")},
    {WKV_OPT_FLAG("plot", plot, "draw the loss curve at the end")},
    {WKV_OPT_INT("watch", watch, "PORT", 0, 65535,
                 "show the curves on a page at this port of this machine, which keeps itself up to "
                 "date; 0: no page")},
    WKV_CLI_THREADS_OPTION(t.threads),
};

static const char *const examples[] = {
    "wkv train --data story.txt --val-fraction 0.1 --out run --plot",
    "a small RWKV-7 learns bytes; about a minute",
    "wkv train --data chats:3 --data books:1 --pack --vocab rwkv_vocab_v20230424.txt --out run",
    "on documents that 'wkv prepare' made, three quarters of the tokens from the first",
    "wkv train --data books --carry --ctx 512 --bptt 4 --vocab bytes --out run",
    "long documents, each read from end to end; gradients through 2048 tokens",
    "wkv train --data story.txt --val-fraction 0.1 --val-every 200 --sample-prompt 'Once upon' "
    "--sample-every 200 --out run",
    "see how it learns to write",
    "wkv train --data books --vocab rwkv_vocab_v20230424.txt --out run --watch 8080 --keep-every "
    "10000",
    "with its curves on http://127.0.0.1:8080/, and every 10000th step kept for good",
    "wkv train --resume --out run",
    "go on with it after Ctrl-C, a crash or a full disk",
    "wkv train --data story.txt --init model.pth --vocab rwkv_vocab_v20230424.txt --lr 1e-5 "
    "--lr-final 1e-5 --steps 100 --out tuned",
    "go on with a trained model on a text of your own",
    "wkv train --data story.txt --init model.pth --lora 16 --lr 1e-3 --steps 200 --out tuned",
    "the same, but train only an adapter; then: wkv generate model.pth --adapter "
    "tuned/adapter.safetensors",
    "wkv train --data chats --pack --init model.pth --state-tuning --lr 0.1 --lr-final 1e-3 "
    "--weight-decay 0 --steps 200 --out tuned",
    "train only the state that texts begin with; then: wkv generate model.pth --state "
    "tuned/state.safetensors",
    NULL};

/* Validations end when a signal comes: it is to be answered within a step. */
static bool go_on(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return !wkv_term_stopped();
}

static void init(void *opts)
{
    options *o = opts;
    wkv_train_opts_init(&o->t);
    o->t.progress = go_on;
    o->order = o->t.order == WKV_ORDER_RANDOM ? "random" : "sequential";
    o->recompute = "none";
    o->activations = "f32";
    o->out = "wkv-out";
    o->save_every = 500;
    o->val_every = 500;
    o->keep = 2;
    o->sample_every = 500;
    o->sample.tokens = 64;
}

/* ---- what the library is given ------------------------------------------------------------ */

static void make_absolute(const char **path, char buf[WKV_PATH_MAX])
{
    if (*path != NULL)
        *path = wkv_files_absolute(buf, *path);
}

static bool all_binidx(const options *o)
{
    for (int i = 0; i < o->sources.n; i++)
        if (!wkv_train_data_binidx(o->sources.source[i].path))
            return false;
    return true;
}

static bool wrong(const char *text)
{
    return wkv_args_wrong(&wkv_cmd_train, text);
}

/* How rows are made; false after a message when the options do not go together. */
static bool settle_rows(options *o, const wkv_args *args, bool recalled)
{
    if (o->pack && o->carry)
        return wrong("--pack and --carry are two ways of making rows; choose one");
    if (!recalled && wkv_args_given(&wkv_cmd_train, args, "bptt") && !o->carry)
        return wrong("--bptt needs --carry: without it no state goes from window to window");
    o->t.rows = o->pack ? WKV_ROWS_PACK : o->carry ? WKV_ROWS_CARRY : WKV_ROWS_STREAM;
    return true;
}

static bool settle_memory(options *o)
{
    /* Runs that an earlier version began say nothing of it. */
    const char *recompute = o->recompute != NULL ? o->recompute : "none";
    o->t.recompute = strcmp(recompute, "full") == 0    ? WKV_TRAIN_RECOMPUTE_FULL
                     : strcmp(recompute, "light") == 0 ? WKV_TRAIN_RECOMPUTE_LIGHT
                                                       : WKV_TRAIN_RECOMPUTE_NONE;
    o->t.activations = o->activations != NULL && strcmp(o->activations, "bf16") == 0
                           ? WKV_TRAIN_ACTIVATIONS_BF16
                           : WKV_TRAIN_ACTIVATIONS_F32;
    return o->memory_limit == NULL || wkv_cli_parse_bytes(o->memory_limit, &o->t.memory_limit) ||
           wrong("--memory-limit: expected a size such as 8GB, 500MB or 2GiB");
}

/* Completes the options of a new run, or those recalled from its folder; false after a
 * message. */
static bool settle(options *o, const wkv_args *args, bool recalled)
{
    if (o->data.n == 0)
        return wrong("--data is missing");
    if (!settle_rows(o, args, recalled) || !settle_memory(o) ||
        !wkv_train_tune_settle(&o->tune, &o->t) ||
        !wkv_train_data_fill(&o->sources, &o->data, &o->t))
        return false;
    o->sample.seed = o->t.seed;
    o->t.order = strcmp(o->order, "random") == 0 ? WKV_ORDER_RANDOM : WKV_ORDER_SEQUENTIAL;
    /* The default tokenizer is for text: not for ids, nor for a model that has its own. */
    if (!recalled && !wkv_args_given(&wkv_cmd_train, args, "vocab") &&
        (o->t.init != NULL || all_binidx(o)))
        o->t.vocab = NULL;
    return true;
}

static void settle_paths(options *o)
{
    wkv_train_data_absolute(&o->sources, &o->data);
    make_absolute(&o->t.val, o->val);
    make_absolute(&o->t.init, o->init);
    make_absolute(&o->sample.file, o->prompts);
    if (o->t.vocab != NULL && strcmp(o->t.vocab, "bytes") != 0)
        make_absolute(&o->t.vocab, o->vocab);
}

static int run(const wkv_args *args, void *opts)
{
    char why[WKV_WHY_MAX];
    options *o = opts;
    if (o->watch != 0 && !wkv_http_available(why)) {
        wkv_term_error("train", "--watch: %s", why);
        return WKV_EXIT_FAILURE;
    }
    o->argc = args->argc;
    o->argv = args->argv;
    wkv_train_preset_apply(o->preset, &wkv_cmd_train, args, o);
    wkv_train_dir dir;
    bool found = false;
    int code = WKV_EXIT_FAILURE;
    wkv_term_catch_stop();
    signal(SIGPIPE, SIG_IGN); /* nobody reading along is no reason to stop */
    settle_paths(o);
    wkv_train_dir_init(&dir, o->out);
    if (!o->resume || wkv_train_dir_recall(&dir, &wkv_cmd_train, args, o, &found)) {
        if (o->resume && !found)
            fprintf(stderr, "wkv train: nothing to resume in %s; this run begins\n", o->out);
        bool settled = settle(o, args, found);
        wkv_train_dir_makes(&dir, wkv_train_tune_made(o->t.tune));
        if (!settled)
            code = WKV_EXIT_USAGE;
        else if (found || wkv_train_init_check(o, args)) {
            if (!found)
                wkv_train_data_remark(&o->sources);
            code = wkv_train_run(o, &dir);
        }
    }
    wkv_train_dir_deinit(&dir);
    return code;
}

const wkv_command wkv_cmd_train = {
    .name = "train",
    .summary = "train a model on text, from nothing or from another model",
    .description =
        "Trains a model and writes into DIR: model.safetensors, the finished model, vocabulary "
        "inside (with --lora or --pissa adapter.safetensors and .pth, with --state-tuning "
        "state.safetensors and .pth); metrics.jsonl, a line a step, and the same for TensorBoard; "
        "checkpoint-STEP.safetensors, from the newest of which --resume goes on; options.json and "
        "manifest.json: what made the run; samples.jsonl, what it made of given prompts. Ctrl-C or "
        "SIGTERM finish the step, save and end. The same options, data and seed give the same "
        "bits, whatever the number of threads.",
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
