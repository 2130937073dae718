/* apps/common/term.h - the terminal: what it can show, messages, the line that is
 * rewritten in place, and the signals that ask the program to end. */
#ifndef WKV_APPS_TERM_H
#define WKV_APPS_TERM_H

#include <stdbool.h>
#include <stdio.h>

#if defined(__GNUC__) || defined(__clang__)
#define WKV_TERM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define WKV_TERM_PRINTF(fmt, args)
#endif

/* Columns of the terminal behind f; 80 when it is none. */
int wkv_term_width(FILE *f);
bool wkv_term_is_terminal(FILE *f);
/* A terminal that shows colours, and no NO_COLOR in the environment. */
bool wkv_term_has_colour(FILE *f);
/* False when the locale names another character set than UTF-8. */
bool wkv_term_has_utf8(void);

/* "wkv COMMAND: ..." on stderr, cleaned by wkv_term_line, on a line of its own.  Returns
 * WKV_EXIT_FAILURE. */
int wkv_term_error(const char *command, const char *fmt, ...) WKV_TERM_PRINTF(2, 3);

/* n bytes of any text: control characters but line feed and tab, which could do anything to a
 * terminal, and what is no UTF-8 become U+FFFD. */
void wkv_term_text(FILE *f, const char *text, size_t n);
/* The same for a name or a value that is to stay on its line: line feeds and tabs too. */
void wkv_term_line(FILE *f, const char *text, size_t n);

/* Seconds from an arbitrary start that never go back. */
double wkv_term_clock(void);

/* Progress on stderr.  On a terminal the line replaces the one before it; elsewhere each is a line
 * of its own.  `due` says when the next is worth its place: on a terminal ten times a second,
 * elsewhere once, and after a minute every ten seconds; first when so much time has passed since
 * it was asked first. */
bool wkv_term_progress_due(void);
void wkv_term_progress(const char *fmt, ...) WKV_TERM_PRINTF(1, 2);
/* Leaves the last progress line standing: what follows begins a new line. */
void wkv_term_progress_end(void);

/* From now on SIGINT and SIGTERM only set a flag, the first time; the second kills.  Call it
 * before there are threads, which are to leave the signals alone. */
void wkv_term_catch_stop(void);
bool wkv_term_stopped(void);

/* Flushes stdout.  WKV_EXIT_FAILURE, with a message unless the reader has simply gone
 * away, when something could not be written; else `code`. */
int wkv_term_finish(const char *command, int code);

#endif
