/* apps/cli/train_tune.h - tuning a part of a model: its options, and what it leaves. */
#ifndef WKV_APPS_TRAIN_TUNE_H
#define WKV_APPS_TRAIN_TUNE_H

#include "cli/cli.h"

typedef struct wkv_train_tune {
    int32_t lora, pissa; /* ranks; 0: not this way */
    bool state;
} wkv_train_tune;

#define WKV_TRAIN_TUNE_OPTIONS(member, opts) \
    {WKV_OPT_INT("lora", member.lora, "RANK", 0, 1 << 16, \
                 "with --init: leave the model as it is and train low-rank changes of its " \
                 "matrices; 0: no")}, \
        {WKV_OPT_DOUBLE("lora-alpha", opts.lora_alpha, "A", 0, 1e9, \
                        "A / RANK is the factor of the changes; 0: RANK, for a factor of 1")}, \
        {WKV_OPT_TEXT("lora-targets", opts.lora_targets, "LIST", \
                      "which matrices --lora and --pissa change, with commas: att, ffn.key, " \
                      "head, blocks.0; without it all of the layers")}, \
        {WKV_OPT_INT("pissa", member.pissa, "RANK", 0, 1 << 16, \
                     "as --lora, but begin with the principal singular values of the matrices " \
                     "(PiSSA), which learns faster; 0: no")}, \
    { \
        WKV_OPT_FLAG("state-tuning", member.state, \
                     "with --init: train nothing but the state that texts begin with (RWKV-5, 6 " \
                     "and 7)") \
    }

/* Sets what is tuned; false after a message when the options do not go together. */
bool wkv_train_tune_settle(const wkv_train_tune *t, wkv_train_opts *o);

/* What such a run makes: "model", "adapter" or "state". */
const char *wkv_train_tune_made(wkv_tune tune);

/* Writes it to `path`, a .safetensors, and what is no model also beside it as .pth, for
 * RWKV-PEFT and the runtimes. */
wkv_status wkv_train_tune_export(const wkv_trainer *t, wkv_tune tune, const char *path,
                                 wkv_error *err);

#endif
