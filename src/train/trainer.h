/* train/trainer.h - what a trainer holds; shared by the files that make it up.
 *   options.c  the options, checked       setup.c  opening: device, model, data, memory
 *   tune.c     the model, where only a part of it is trained
 *   memory.c   what it will take
 *   trainer.c  steps and validation       ckpt.c   save and restore     export.c  the model */
#ifndef WKV_TRAIN_TRAINER_H
#define WKV_TRAIN_TRAINER_H

#include <wkv/train.h>

#include "arch/arch.h"
#include "tok/tokenizer.h"
#include "train/feed.h"
#include "train/guard.h"
#include "train/optim.h"
#include "train/tune.h"
#include "train/work.h"

struct wkv_trainer {
    wkv_train_opts opts; /* its strings and lists are the caller's and NULL here */
    wkv_dev *dev;
    wkv_tok *tok;       /* NULL: the model carries no vocabulary */
    wkv_tokenizer lent; /* the same, as the public interface has it */
    wkv_config cfg;
    bool *present; /* which parameters the model has, by wkv_params_at's index */
    wkv_weights weights;
    wkv_tuning tuning;
    wkv_trained trained;
    wkv_optim optim; /* of what is trained */
    wkv_data data[WKV_SOURCES_MAX], val_data;
    int n_data;
    wkv_mix train, val; /* val.n == 0: nothing is held out */
    wkv_feed *feed;     /* of train */
    wkv_work work;
    wkv_guard guard;
    int64_t step;  /* steps done, those that were skipped among them */
    uint64_t held; /* bytes that the process held before the model was made */
};

/* E_ARGUMENT, naming the option, its value and its range. */
wkv_status wkv_train_opts_check(const wkv_train_opts *o, wkv_error *err);

/* How the rows of training, or of validation, are to be fed. */
wkv_feed_opts wkv_trainer_feed_opts(const wkv_trainer *t, bool once);

/* CRC-32C over the training parts. */
uint32_t wkv_trainer_fingerprint(const wkv_trainer *t);

/* Everything but the step: fills a zeroed trainer, which is closed in any case. */
wkv_status wkv_trainer_setup(wkv_trainer *t, const wkv_train_opts *o, wkv_error *err);

#endif
