/* apps/cli/train_init.c - see train_init.h. */
#include "cli/train_init.h"

#include <string.h>

#include "common/term.h"

static const char *const names[] = {"arch",   "layers", "width",       "head-size",
                                    "window", "length", "token-shift", "vocab-size"};

static bool given(const wkv_args *args, const char *name)
{
    return wkv_args_given(&wkv_cmd_train, args, name);
}

static bool is_any_given(const wkv_args *args)
{
    bool any = given(args, "vocab");
    for (size_t i = 0; i < WKV_COUNT(names); i++)
        any = any || given(args, names[i]);
    return any;
}

/* ---- shapes --------------------------------------------------------------------------------- */

static bool check_number(const wkv_args *args, const char *name, int32_t want, int32_t has,
                         const char *init)
{
    if (!given(args, name) || want == has)
        return true;
    wkv_term_error("train", "--%s %d contradicts --init: %s has %d", name, want, init, has);
    return false;
}

/* What an architecture lacks is passed over beside a new model too, and 0 leaves a size open. */
static bool check_size(const wkv_args *args, const char *name, int32_t want, int32_t has,
                       const char *init)
{
    return want == 0 || has == 0 || check_number(args, name, want, has, init);
}

static bool check_shape(const wkv_train_opts *t, const wkv_args *args, const wkv_model_info *m)
{
    if (given(args, "arch") && strcmp(t->arch, m->arch) != 0) {
        wkv_term_error("train", "--arch %s contradicts --init: %s is %s", t->arch, t->init,
                       m->arch);
        return false;
    }
    if (given(args, "token-shift") && m->token_shift == 0) {
        wkv_term_error("train", "--token-shift contradicts --init: %s has none that it leaves open",
                       t->init);
        return false;
    }
    return check_number(args, "layers", t->layers, m->layers, t->init) &&
           check_number(args, "width", t->width, m->width, t->init) &&
           check_size(args, "head-size", t->head_size, m->head_size, t->init) &&
           check_size(args, "window", t->window, m->window, t->init) &&
           check_size(args, "length", t->length, m->max_length, t->init) &&
           check_size(args, "vocab-size", t->vocab_size, m->vocab, t->init);
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

static bool same_tokens(const wkv_tokenizer *a, const wkv_tokenizer *b)
{
    const int32_t n = wkv_tokenizer_vocab_size(a);
    bool same = n == wkv_tokenizer_vocab_size(b);
    for (int32_t i = 0; i < n && same; i++) {
        size_t x = 0, y = 0;
        const char *p = wkv_tokenizer_token(a, i, &x), *q = wkv_tokenizer_token(b, i, &y);
        same = (p == NULL) == (q == NULL) && x == y && (x == 0 || memcmp(p, q, x) == 0);
    }
    return same;
}

/* A model without a vocabulary takes that which is given. */
static bool check_vocab(const wkv_train_opts *t, const wkv_args *args, const wkv_model *m)
{
    wkv_error err;
    wkv_tokenizer *vocab;
    const wkv_tokenizer *own = wkv_model_tokenizer(m);
    if (own == NULL || t->vocab == NULL || !given(args, "vocab"))
        return true;
    if (wkv_tokenizer_open(&vocab, t->vocab, &err) != WKV_OK) {
        wkv_term_error("train", "--vocab: %s", err.text);
        return false;
    }
    const bool same = same_tokens(own, vocab);
    wkv_tokenizer_close(&vocab);
    if (!same)
        wkv_term_error("train", "--vocab %s contradicts --init: %s has its own, another", t->vocab,
                       t->init);
    return same;
}

bool wkv_train_init_check(const wkv_train_options *o, const wkv_args *args)
{
    wkv_error err;
    wkv_model *m;
    wkv_model_opts opts;
    wkv_model_info info;
    if (o->t.init == NULL || !is_any_given(args))
        return true;
    wkv_model_opts_init(&opts);
    opts.threads = 1;
    if (wkv_model_open(&m, o->t.init, &opts, &err) != WKV_OK) {
        wkv_term_error("train", "%s", err.text);
        return false;
    }
    wkv_model_describe(m, &info);
    const bool ok = check_shape(&o->t, args, &info) && check_vocab(&o->t, args, m);
    wkv_model_close(&m);
    return ok;
}
