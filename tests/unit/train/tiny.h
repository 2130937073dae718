/* tests/unit/train/tiny.h - a training run small enough for a test: about 1 kB of text, two
 * layers, a second or less. */
#ifndef WKV_TESTS_UNIT_TRAIN_TINY_H
#define WKV_TESTS_UNIT_TRAIN_TINY_H

#include <wkv/train.h>

#include "files.h"

static const char TINY_TEXT[] = "t_tiny.txt";

/* A group setup: a folder of its own, with the text that tiny_opts trains on. */
static inline int tiny_text(void **state)
{
    static const char text[] =
        "A model learns by guessing what comes next, and being told.\n"
        "First it learns that some letters are common and some are rare;\n"
        "then that a space is followed by the beginning of a word,\n"
        "and that q is followed by u. Much later come words, and later\n"
        "still the order of words. Nothing in this text is of use to\n"
        "anyone, except that it is short, that it repeats itself a little,\n"
        "and that it can be learnt by heart in a second or two: it repeats\n"
        "itself a little, it repeats itself, and then it ends.\n"
        "One, two, three, four, five, six, seven: a week has seven days.\n"
        "Red, orange, yellow, green, blue, indigo, violet: so has a rainbow.\n"
        "The rest of these lines are here to fill a kilobyte. A kilobyte is\n"
        "a thousand and twenty-four characters, more or less, which is what\n"
        "fits on a page of a small book, or in the palm of a machine's hand.\n"
        "If you have read this far, you have seen every character of it once;\n"
        "the model will have seen each one some hundred times, and will know\n"
        "it better than you do. That is what a test of memory should show.\n";
    if (own_folder(state) != 0)
        return -1;
    write_file(TINY_TEXT, text, sizeof text - 1);
    return 0;
}

static inline wkv_train_opts tiny_opts(const char *arch)
{
    wkv_train_opts o;
    wkv_train_opts_init(&o);
    o.arch = arch;
    o.layers = 2;
    o.width = 32;
    o.head_size = 16;
    o.data = TINY_TEXT;
    o.ctx = 16;
    o.batch = 4;
    o.steps = 12;
    o.lr = 4e-3;
    o.lr_final = 1e-4;
    o.warmup = 3;
    o.threads = 1;
    return o;
}

static inline wkv_trainer *tiny_open(const wkv_train_opts *o)
{
    wkv_trainer *t = NULL;
    wkv_error err = {0};
    if (wkv_trainer_open(&t, o, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return t;
}

/* n steps; the loss of the last. */
static inline double tiny_steps(wkv_trainer *t, int n)
{
    wkv_step s = {0};
    wkv_error err = {0};
    for (int i = 0; i < n; i++)
        if (wkv_trainer_step(t, &s, &err) != WKV_OK)
            fail_msg("%s", err.text);
    return s.loss;
}

#endif
