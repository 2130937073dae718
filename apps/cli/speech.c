/* apps/cli/speech.c - see speech.h. */
#include "cli/speech.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_out.h"
#include "common/term.h"

void wkv_speech_init(wkv_speech *s, wkv_speech_form form, const wkv_tokenizer *t,
                     const char *const *stops, int n_stops)
{
    *s = (wkv_speech){.form = form, .tokenizer = t, .end = "length"};
    wkv_stop_init(&s->stop, stops, n_stops);
}

void wkv_speech_deinit(wkv_speech *s)
{
    wkv_stop_deinit(&s->stop);
    free(s->text);
    free(s->ids);
    *s = (wkv_speech){0};
}

/* Makes room for one element more than n; false, and s->failed, when there is none. */
static bool grow(wkv_speech *s, void **array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return true;
    size_t wanted = 2 * n + 256;
    void *grown = realloc(*array, wanted * size);
    if (grown == NULL) {
        s->failed = true;
        return false;
    }
    *array = grown;
    *cap = wanted;
    return true;
}

/* Text that is final. */
static void put(wkv_speech *s, const char *bytes, size_t n)
{
    void *text = s->text;
    if (s->form == WKV_SPEECH_TEXT)
        fwrite(bytes, 1, n, stdout);
    if (s->form != WKV_SPEECH_JSON || !grow(s, &text, &s->text_cap, s->text_len + n, 1))
        return;
    s->text = text;
    memcpy(s->text + s->text_len, bytes, n);
    s->text_len += n;
}

static void emit(void *user, const char *bytes, size_t n)
{
    enum { PIECE = 256 };
    wkv_speech *s = user;
    while (n > 0) {
        char whole[PIECE + 3];
        size_t piece = n < PIECE ? n : PIECE;
        put(s, whole, wkv_utf8_push(&s->utf8, bytes, piece, whole));
        bytes += piece;
        n -= piece;
    }
}

static void print_id(wkv_speech *s, int32_t id)
{
    if (s->form == WKV_SPEECH_IDS)
        printf(s->n_printed++ > 0 ? " %d" : "%d", (int)id);
}

void wkv_speech_echo(wkv_speech *s, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *bytes =
            s->tokenizer != NULL ? wkv_tokenizer_token(s->tokenizer, ids[i], &len) : NULL;
        print_id(s, ids[i]);
        if (bytes != NULL)
            emit(s, bytes, len);
    }
}

static void keep_id(wkv_speech *s, int32_t id)
{
    void *ids = s->ids;
    size_t n = (size_t)s->n_drawn++;
    if (s->form != WKV_SPEECH_JSON || !grow(s, &ids, &s->ids_cap, n, sizeof *s->ids))
        return;
    s->ids = ids;
    s->ids[n] = id;
}

bool wkv_speech_say(wkv_speech *s, int32_t id)
{
    size_t n = 0;
    const char *bytes = s->tokenizer != NULL ? wkv_tokenizer_token(s->tokenizer, id, &n) : NULL;
    keep_id(s, id);
    print_id(s, id);
    if (bytes == NULL)
        return !s->failed;
    if (n == 0) {
        s->end = "end";
        return false;
    }
    wkv_stop_result result = wkv_stop_push(&s->stop, bytes, n, emit, s);
    if (result == WKV_STOP_FOUND)
        s->end = "stop";
    s->failed |= result == WKV_STOP_NO_MEMORY;
    return result == WKV_STOP_GO_ON && !s->failed;
}

static void print_json(const wkv_speech *s, int64_t prompt_tokens)
{
    wkv_json j;
    wkv_json_init(&j, stdout);
    wkv_json_open(&j, NULL, '{');
    if (s->tokenizer != NULL)
        wkv_json_text(&j, "text", s->text != NULL ? s->text : "", s->text_len);
    wkv_json_open(&j, "ids", '[');
    for (uint64_t i = 0; i < s->n_drawn; i++)
        wkv_json_int(&j, NULL, s->ids[i]);
    wkv_json_close(&j, ']');
    wkv_json_int(&j, "prompt_tokens", prompt_tokens);
    wkv_json_uint(&j, "tokens", s->n_drawn);
    wkv_json_string(&j, "end", s->end);
    wkv_json_close(&j, '}');
}

void wkv_speech_finish(wkv_speech *s, int64_t prompt_tokens)
{
    char rest[3];
    wkv_stop_flush(&s->stop, emit, s);
    put(s, rest, wkv_utf8_flush(&s->utf8, rest));
    if (s->failed)
        return;
    if (s->form == WKV_SPEECH_JSON)
        print_json(s, prompt_tokens);
    else if (s->form == WKV_SPEECH_IDS || wkv_term_is_terminal(stdout))
        putchar('\n');
}
