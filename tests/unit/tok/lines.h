/* lines.h - the lines of a file of outside data that says which ids a text has. */
#ifndef WKV_TESTS_TOK_LINES_H
#define WKV_TESTS_TOK_LINES_H

#include <jansson.h>

#include "tok/tok.h"

enum { LINE_CAP = 1 << 20 }; /* no line has more bytes, or more ids */

/* By its path below the outside data. */
wkv_tok *lines_open_vocab(const char *relative);

/* Calls check with each line and its text, decoded from "text" or "hex"; returns how
 * many there are. */
size_t lines_each(const wkv_tok *t, const char *relative,
                  void (*check)(const wkv_tok *t, const json_t *line, const uint8_t *text,
                                size_t n));

/* Concatenates the bytes of ids; out has room for LINE_CAP. */
size_t lines_decode(const wkv_tok *t, const int32_t *ids, size_t count, uint8_t *out);

#endif
