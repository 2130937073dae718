/* apps/cli/train_sample.c - see train_sample.h. */
#include "cli/train_sample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json_out.h"
#include "common/metrics.h"
#include "common/term.h"

static bool fail(const char *why)
{
    wkv_term_error("train", "%s", why);
    return false;
}

/* ---- prompts ------------------------------------------------------------------------------- */

/* "\n", "\t" and "\\" in a line of a file become what they stand for; the length it has then. */
static size_t unescape(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool escape = text[i] == '\\' && i + 1 < n && strchr("nt\\", text[i + 1]) != NULL;
        if (escape)
            i++;
        text[to++] = !escape ? text[i] : text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : '\\';
    }
    return to;
}

static bool add_prompt(wkv_train_sample *s, const char *text, size_t n)
{
    if (n == 0)
        return true;
    if (s->n == WKV_SAMPLE_PROMPTS)
        return fail("more than 64 prompts to sample from");
    s->prompt[s->n] = text;
    s->length[s->n++] = n;
    return true;
}

static bool read_prompts(wkv_train_sample *s)
{
    char why[WKV_WHY_MAX];
    size_t size;
    for (int i = 0; i < s->o->prompts.n; i++)
        if (!add_prompt(s, s->o->prompts.item[i], strlen(s->o->prompts.item[i])))
            return false;
    if (s->o->file == NULL)
        return true;
    if (!wkv_files_read(s->o->file, &s->lines, &size, why))
        return fail(why);
    for (char *line = s->lines, *end = s->lines + size; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line));
        char *next = feed != NULL ? feed : end;
        if (!add_prompt(s, line, unescape(line, (size_t)(next - line))))
            return false;
        line = next + 1;
    }
    if (s->n == s->o->prompts.n)
        wkv_term_error("train", "%s: expected a prompt a line, found none", s->o->file);
    return s->n > s->o->prompts.n;
}

/* ---- opening ------------------------------------------------------------------------------ */

static bool feed_prompt(wkv_train_sample *s, int i)
{
    size_t n = wkv_tokenizer_encode(s->tokenizer, s->prompt[i], s->length[i], NULL, 0);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    if (ids == NULL)
        return fail("out of memory for a prompt");
    wkv_tokenizer_encode(s->tokenizer, s->prompt[i], s->length[i], ids, n);
    wkv_trial_reset(s->trial);
    wkv_status status = wkv_trial_feed(s->trial, ids, n);
    free(ids);
    if (status == WKV_OK && n > 0)
        return true;
    if (status == WKV_E_LIMIT)
        wkv_term_error(
            "train",
            "prompt %d cannot be sampled from: it has %zu tokens, but texts of %s end at "
            "%d",
            i + 1, n, s->info.arch, s->info.max_length);
    else
        wkv_term_error("train", "prompt %d cannot be sampled from: %s", i + 1,
                       n == 0 ? "it has no tokens" : wkv_status_text(status));
    return false;
}

bool wkv_train_sample_open(wkv_train_sample *s, const wkv_train_sample_opts *o, wkv_trainer *t)
{
    wkv_error err;
    *s = (wkv_train_sample){.o = o, .tokenizer = wkv_trainer_tokenizer(t)};
    if (o->prompts.n == 0 && o->file == NULL)
        return true;
    if (s->tokenizer == NULL)
        return fail("prompts to sample from need a vocabulary; give --vocab");
    wkv_trainer_describe(t, &s->info);
    if (!read_prompts(s))
        return false;
    if (wkv_trial_open(&s->trial, t, &err) != WKV_OK)
        return fail(err.text);
    bool ok = true;
    for (int i = 0; i < s->n && ok; i++) /* what cannot be read is to be said at the beginning */
        ok = feed_prompt(s, i);
    return ok;
}

bool wkv_train_sample_begin(wkv_train_sample *s, const char *folder, int64_t step)
{
    char why[WKV_WHY_MAX];
    double seconds;
    if (s->n == 0)
        return true;
    wkv_files_join(s->path, folder, "samples.jsonl");
    s->out = wkv_metrics_append(s->path, step, &seconds, why);
    return s->out != NULL || fail(why);
}

void wkv_train_sample_close(wkv_train_sample *s)
{
    wkv_trial_close(&s->trial);
    if (s->out != NULL)
        fclose(s->out);
    free(s->lines);
    *s = (wkv_train_sample){.n = 0};
}

/* ---- texts --------------------------------------------------------------------------------- */

/* Draws until the document, the number or the model's reach ends, or a signal comes; writes the
 * bytes to text and returns how many tokens they are. */
static int64_t draw(wkv_train_sample *s, wkv_sampler *sampler, float *logits, FILE *text)
{
    int64_t drawn = 0;
    while (drawn < s->o->tokens && !wkv_term_stopped()) {
        memcpy(logits, wkv_trial_logits(s->trial), (size_t)s->info.vocab * sizeof *logits);
        /* Rows that fill the vocabulary up stand for nothing. */
        for (int32_t id = wkv_tokenizer_vocab_size(s->tokenizer); id < s->info.vocab; id++)
            logits[id] = -INFINITY;
        const int32_t id = wkv_sampler_next(sampler, logits);
        size_t n = 0;
        const char *bytes = id >= 0 ? wkv_tokenizer_token(s->tokenizer, id, &n) : NULL;
        if (bytes == NULL || n == 0)
            break;
        fwrite(bytes, 1, n, text);
        drawn++;
        if (wkv_trial_feed(s->trial, &id, 1) != WKV_OK)
            break;
    }
    return drawn;
}

static bool write_line(wkv_train_sample *s, int i, int64_t step, const char *text, size_t n,
                       int64_t tokens)
{
    wkv_json j;
    wkv_json_init(&j, s->out);
    wkv_json_open(&j, NULL, '{');
    wkv_json_int(&j, "step", step);
    wkv_json_text(&j, "prompt", s->prompt[i], s->length[i]);
    wkv_json_text(&j, "text", text, n);
    wkv_json_int(&j, "tokens", tokens);
    wkv_json_close(&j, '}');
    if (fflush(s->out) == 0 && !ferror(s->out))
        return true;
    wkv_term_error("train", "%s: cannot write: %s", s->path, strerror(errno));
    return false;
}

static void show(const wkv_train_sample *s, int i, int64_t step, const char *text, size_t n)
{
    wkv_term_progress_end();
    fprintf(stderr, "---- step %lld goes on with: ", (long long)step);
    wkv_term_text(stderr, s->prompt[i], s->length[i]);
    fputc('\n', stderr);
    wkv_term_text(stderr, text, n);
    fputs("\n----\n", stderr);
}

/* One text; one that a signal cuts short is not kept. */
static bool sample(wkv_train_sample *s, int i, int64_t step)
{
    wkv_sampler_opts o;
    wkv_sampler *sampler = NULL;
    wkv_error err;
    char *text = NULL;
    size_t n = 0;
    wkv_sampler_opts_init(&o);
    o.seed = s->o->seed + (uint64_t)step * WKV_SAMPLE_PROMPTS + (uint64_t)i;
    float *logits = malloc((size_t)s->info.vocab * sizeof *logits);
    FILE *f = open_memstream(&text, &n);
    bool ok = logits != NULL && f != NULL;
    if (!ok)
        fail("out of memory for a sample");
    ok = ok && feed_prompt(s, i) &&
         (wkv_sampler_open(&sampler, s->info.vocab, &o, s->tokenizer, &err) == WKV_OK ||
          fail(err.text));
    int64_t tokens = ok ? draw(s, sampler, logits, f) : 0;
    if (f != NULL && fclose(f) != 0 && ok)
        ok = fail("out of memory for a sample");
    if (ok && !wkv_term_stopped()) {
        show(s, i, step, text, n);
        ok = write_line(s, i, step, text, n, tokens);
    }
    wkv_sampler_close(&sampler);
    free(logits);
    free(text);
    return ok;
}

bool wkv_train_sample_step(wkv_train_sample *s, int64_t step)
{
    bool ok = true;
    for (int i = 0; i < s->n && ok && !wkv_term_stopped(); i++)
        ok = sample(s, i, step);
    return ok;
}

bool wkv_train_sample_sync(wkv_train_sample *s)
{
    if (s->out == NULL || fsync(fileno(s->out)) == 0)
        return true;
    wkv_term_error("train", "%s: cannot sync: %s", s->path, strerror(errno));
    return false;
}
