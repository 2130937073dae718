/* apps/cli/train_sample.h - what the model under training makes of given prompts, now and then:
 * shown, and kept in samples.jsonl, a line of JSON a text. */
#ifndef WKV_APPS_TRAIN_SAMPLE_H
#define WKV_APPS_TRAIN_SAMPLE_H

#include <stdio.h>
#include <wkv/wkv.h>

#include "common/args.h"
#include "common/files.h"

enum { WKV_SAMPLE_PROMPTS = 64 };

typedef struct wkv_train_sample_opts {
    wkv_arg_list prompts;
    const char *file; /* with a prompt a line; or NULL */
    int64_t tokens;   /* of a text, at most */
    uint64_t seed;
} wkv_train_sample_opts;

typedef struct wkv_train_sample {
    const wkv_train_sample_opts *o;
    const wkv_tokenizer *tokenizer; /* borrowed from the trainer */
    wkv_trial *trial;
    wkv_trainer_info info;
    const char *prompt[WKV_SAMPLE_PROMPTS];
    size_t length[WKV_SAMPLE_PROMPTS];
    int n;
    char *lines; /* the file, which prompts point into */
    char path[WKV_PATH_MAX];
    FILE *out;
} wkv_train_sample;

/* Reads the prompts, and lets the model read them.  Without any there is nothing to do, s->n being
 * 0.  Touches no file.  False after a message. */
bool wkv_train_sample_open(wkv_train_sample *s, const wkv_train_sample_opts *o, wkv_trainer *t);
/* Opens samples.jsonl in `folder`, cut back to `step`.  False after a message. */
bool wkv_train_sample_begin(wkv_train_sample *s, const char *folder, int64_t step);
void wkv_train_sample_close(wkv_train_sample *s);

/* Lets the model go on with every prompt, unless a signal comes in between.  The same step, prompt
 * and seed draw the same.  False after a message. */
bool wkv_train_sample_step(wkv_train_sample *s, int64_t step);

/* Puts what was written onto the disk. */
bool wkv_train_sample_sync(wkv_train_sample *s);

#endif
