/* wkv/prepare.h - turning texts and conversations into the token files that training reads.
 *
 * A preparer is opened with the PREFIX of the files to write, is given its inputs one after
 * the other, and is finished, which puts PREFIX.bin, PREFIX.idx and, when some tokens are not
 * to be learnt, PREFIX.mask.bin and PREFIX.mask.idx in place: before that nothing of them is
 * to be seen, and a set that has its .idx is whole.  The same inputs give the same bytes,
 * whatever the number of threads; memory does not grow with the inputs.
 *
 * This header may still change between minor versions. */
#ifndef WKV_PREPARE_H
#define WKV_PREPARE_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

typedef struct wkv_prepare wkv_prepare;

typedef enum wkv_input {
    WKV_INPUT_AUTO = 0, /* .jsonl, .ndjson and .json: lines; .txt and .md: a text; any other,
                           by whether it begins with '{' */
    WKV_INPUT_TEXT,     /* all of it is one document */
    WKV_INPUT_JSONL     /* a document a line */
} wkv_input;

/* How far it has come. */
typedef struct wkv_prepare_progress {
    uint64_t bytes; /* read, of all inputs so far */
    uint64_t documents, tokens, bad;
} wkv_prepare_progress;

typedef struct wkv_prepare_opts {
    const char *vocab;         /* "bytes", or a vocabulary file */
    const char *chat_template; /* one of wkv_chat_templates, "world" */
    int32_t threads;           /* 0: one for each core the process may use */
    bool strict;               /* the first bad line is an error */
    uint64_t longest_line;     /* bytes; longer lines are bad.  64 MiB */
    /* Called now and then, on the caller's thread, unless NULL; false ends the work. */
    bool (*progress)(void *user, const wkv_prepare_progress *p);
    /* Called for every line that is left out, unless NULL. */
    void (*bad_line)(void *user, const char *input, uint64_t line, const char *why);
    void *user;
    uint64_t reserved[8];
} wkv_prepare_opts;

WKV_API void wkv_prepare_opts_init(wkv_prepare_opts *o);

/* "world|chatml|alpaca" */
WKV_API const char *wkv_chat_templates(void);

/* The caller owns *out; on failure *out is NULL.  The folder of prefix must exist. */
WKV_API wkv_status wkv_prepare_open(wkv_prepare **out, const char *prefix,
                                    const wkv_prepare_opts *o, wkv_error *err);

/* Reads one input to its end; "-" is standard input.  A line of JSON holds
 *   "text"                                                     learnt whole
 *   "messages": [{"role", "content"}], "conversations": [{"from", "value"}]
 *   "prompt" and "response" or "completion"; "instruction", perhaps "input", and "output" or
 *   "response"; "input" and "output"; "question" and "answer"; "query" and "response"
 * and of all but the first only the assistant's words are learnt.  E_FORMAT for a bad line
 * when strict and, with WKV_INPUT_AUTO, for a compressed file; E_TOKEN for a text with a byte
 * that the vocabulary lacks; E_STATE when progress returned false.  After a failure the preparer
 * can only be described and closed: add and finish answer E_STATE. */
WKV_API wkv_status wkv_prepare_add(wkv_prepare *p, const char *path, wkv_input kind,
                                   wkv_error *err);

/* Puts the files in place.  E_MISSING when there was no document: some may still be added.  After
 * any other outcome add and finish answer E_STATE. */
WKV_API wkv_status wkv_prepare_finish(wkv_prepare *p, wkv_error *err);

/* Without finish, nothing is left of what was written. */
WKV_API void wkv_prepare_close(wkv_prepare **p);

enum { WKV_PREPARE_LENGTHS = 48, WKV_PREPARE_SAMPLES = 3, WKV_PREPARE_SAMPLE_TOKENS = 64 };

/* The beginning of one document. */
typedef struct wkv_prepare_sample {
    uint64_t document; /* from 0 */
    int32_t n, reserved;
    int32_t id[WKV_PREPARE_SAMPLE_TOKENS];
    uint8_t learnt[WKV_PREPARE_SAMPLE_TOKENS];
} wkv_prepare_sample;

typedef struct wkv_prepare_report {
    uint64_t inputs, bytes, lines, bad;
    uint64_t documents, tokens, learnt;
    uint64_t shortest, longest;                     /* tokens of a document, its end included */
    uint64_t lengths[WKV_PREPARE_LENGTHS];          /* documents of 2^i .. 2^(i+1) - 1 tokens */
    wkv_prepare_sample sample[WKV_PREPARE_SAMPLES]; /* the first document, and two others */
    int32_t samples;
    int32_t id_bytes; /* 2 or 4 */
    bool masked;      /* a mask is written */
    uint64_t reserved[8];
} wkv_prepare_report;

WKV_API void wkv_prepare_describe(const wkv_prepare *p, wkv_prepare_report *out);

WKV_END
#endif
