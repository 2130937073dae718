/* apps/cli/speech.h - what comes out of a generating model: text in whole characters,
 * or ids, as it is produced; or all of it as JSON at the end.
 *
 * Text passes through the stop strings and then through the UTF-8 hold-back, so that a
 * stop string may lie across tokens and a terminal never sees half a character. */
#ifndef WKV_APPS_SPEECH_H
#define WKV_APPS_SPEECH_H

#include <wkv/tokenizer.h>

#include "common/stop.h"

typedef enum wkv_speech_form { WKV_SPEECH_TEXT, WKV_SPEECH_IDS, WKV_SPEECH_JSON } wkv_speech_form;

typedef struct wkv_speech {
    wkv_speech_form form;
    const wkv_tokenizer *tokenizer; /* NULL: ids only */
    wkv_stop stop;
    wkv_utf8 utf8;
    char *text; /* JSON: all text so far */
    size_t text_len, text_cap;
    int32_t *ids; /* JSON: all ids that were drawn */
    size_t ids_cap;
    uint64_t n_drawn, n_printed;
    const char *end; /* why it ended: "length", "stop", "end" of document, "interrupt" */
    bool failed;     /* out of memory: what was said is not all */
} wkv_speech;

/* The stop strings must outlive *s. */
void wkv_speech_init(wkv_speech *s, wkv_speech_form form, const wkv_tokenizer *t,
                     const char *const *stops, int n_stops);
void wkv_speech_deinit(wkv_speech *s);

/* A piece of the prompt, to be repeated; stop strings do not apply. */
void wkv_speech_echo(wkv_speech *s, const int32_t *ids, size_t n);

/* One id that was drawn.  False when the text ends with it, s->end saying how. */
bool wkv_speech_say(wkv_speech *s, int32_t id);

/* Says what was held back and, for JSON, everything. */
void wkv_speech_finish(wkv_speech *s, int64_t prompt_tokens);

#endif
