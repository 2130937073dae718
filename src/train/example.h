/* train/example.h - a line of JSON as a document: text, or a conversation in any of the forms
 * in which data sets hold one. */
#ifndef WKV_TRAIN_EXAMPLE_H
#define WKV_TRAIN_EXAMPLE_H

#include "base/error.h"
#include "train/chat.h"

/* Fills a cleared example.  E_FORMAT, saying what is wrong, when the line holds none. */
wkv_status wkv_example_read(wkv_example *e, const wkv_chat *chat, const char *line, size_t n,
                            wkv_error *err);

#endif
