/* train/prep.h - the parts of a preparer.
 *   prepare.c     opening, finishing, reading inputs window by window, the report
 *   prep_lines.c  a window of lines, each a document, shared among the threads
 *   prep_text.c   a window of one text, shared among the threads */
#ifndef WKV_TRAIN_PREP_H
#define WKV_TRAIN_PREP_H

#include <wkv/prepare.h>

#include "tok/tok.h"
#include "train/binidx_write.h"
#include "train/chat.h"

/* Bytes of a window that one thread takes at a time, and how many such pieces for each
 * thread a window has. */
enum { WKV_PREP_PIECE = 1 << 17, WKV_PREP_PIECES = 8 };

/* A line that was left out. */
typedef struct wkv_prep_bad {
    uint64_t line;
    char why[200];
} wkv_prep_bad;

/* What one thread made of a piece of a window. */
typedef struct wkv_prep_piece {
    size_t begin, end; /* of the window */
    uint64_t line;     /* lines: the number of its first */
    int32_t *ids;
    uint8_t *learn; /* as many, for lines */
    size_t n, room;
    wkv_strbuf ends; /* lines: of size_t, where in ids each document ends */
    wkv_strbuf bad;  /* of wkv_prep_bad */
    wkv_example example;
    bool failed; /* out of memory */
} wkv_prep_piece;

struct wkv_prepare {
    wkv_prepare_opts o; /* its strings are the caller's and NULL here */
    wkv_tok *tok;
    const wkv_chat *chat;
    int threads, n_pieces;
    wkv_prep_piece *piece;
    wkv_binidx_out out;
    wkv_prepare_report report;
    wkv_prepare_sample current; /* the document that is being written */
    uint64_t length, learnt;
    char *window; /* what is being read */
    size_t window_size;
    const char *ended; /* why it can only be closed; NULL until then */
};

/* Room for n more ids; false when out of memory, which the piece remembers. */
bool wkv_prep_reserve(wkv_prep_piece *p, size_t n);

/* Encodes n bytes behind what the piece has; false when out of memory. */
bool wkv_prep_encode(wkv_prep_piece *p, const wkv_tok *t, const char *text, size_t n);

/* More tokens of the current document; learn NULL: all are to be learnt.  And its end. */
wkv_status wkv_prep_put(wkv_prepare *p, const int32_t *ids, const uint8_t *learn, size_t n,
                        wkv_error *err);
wkv_status wkv_prep_end_document(wkv_prepare *p, wkv_error *err);

/* Counts a bad line and tells of it; E_FORMAT when strict. */
wkv_status wkv_prep_bad_line(wkv_prepare *p, const char *input, uint64_t line, const char *why,
                             wkv_error *err);

/* All of the n bytes, whole lines of which the first has the number *line, which becomes
 * that of the line behind them. */
wkv_status wkv_prep_lines(wkv_prepare *p, const char *input, const char *text, size_t n,
                          uint64_t *line, wkv_error *err);

/* The beginning of a text that goes on behind its n bytes unless last; *used of them are
 * done.  offset: of the text in its input, for errors. */
wkv_status wkv_prep_text(wkv_prepare *p, const char *input, const char *text, size_t n, bool last,
                         uint64_t offset, size_t *used, wkv_error *err);

#endif
