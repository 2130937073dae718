/* train/chat.h - how a conversation becomes text: a template's words around each message. */
#ifndef WKV_TRAIN_CHAT_H
#define WKV_TRAIN_CHAT_H

#include <stdbool.h>

#include "base/strbuf.h"

typedef enum wkv_role { WKV_SYSTEM, WKV_USER, WKV_ASSISTANT, WKV_ROLES } wkv_role;

typedef struct wkv_chat {
    const char *name;
    struct {
        const char *before; /* ends where the model begins to speak */
        const char *join;   /* between `before` and the words; learnt with them */
        const char *after;  /* ends the message; learnt when the assistant's */
    } role[WKV_ROLES];
    bool after_last; /* `after` also stands behind the last message */
    bool one_line;   /* blank lines inside a message would end it: they become line feeds */
} wkv_chat;

/* By name, or NULL; and the i-th, or NULL past the end. */
const wkv_chat *wkv_chat_find(const char *name);
const wkv_chat *wkv_chat_at(int i);

/* The role that a data set calls `name` ("user", "human", "gpt", ...); WKV_ROLES: unknown. */
wkv_role wkv_role_of(const char *name);

/* A document as it is put together: runs of text, each of them learnt or not. */
typedef struct wkv_run {
    size_t end; /* of the run in text */
    bool learn;
} wkv_run;

/* Empty when zeroed. */
typedef struct wkv_example {
    wkv_strbuf text;
    wkv_strbuf runs; /* of wkv_run */
} wkv_example;

void wkv_example_deinit(wkv_example *e);
void wkv_example_clear(wkv_example *e);
size_t wkv_example_runs(const wkv_example *e);
const wkv_run *wkv_example_run(const wkv_example *e, size_t i);
/* False when out of memory at any point since it was cleared. */
bool wkv_example_ok(const wkv_example *e);

/* Adds n bytes, to the last run where that is of the same kind. */
void wkv_example_add(wkv_example *e, const char *text, size_t n, bool learn);

/* Adds one message; last: none follows. */
void wkv_chat_add(const wkv_chat *c, wkv_example *e, wkv_role role, const char *words, size_t n,
                  bool last);

#endif
