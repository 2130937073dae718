/* train/chat.c - see chat.h.
 *
 * A prompt ends with the template's words before the answer, and is encoded apart from what
 * the model then says.  So runs are cut exactly there, and no token lies across. */
#include "train/chat.h"

#include <string.h>

/* World's form is RWKV's: a blank line ends a message.  The others are what instruction data
 * and other models use. */
static const wkv_chat chats[] = {
    {.name = "world",
     .role = {[WKV_SYSTEM] = {"System:", " ", "\n\n"},
              [WKV_USER] = {"User:", " ", "\n\n"},
              [WKV_ASSISTANT] = {"Assistant:", " ", "\n\n"}},
     .one_line = true},
    {.name = "chatml",
     .role = {[WKV_SYSTEM] = {"<|im_start|>system\n", "", "<|im_end|>\n"},
              [WKV_USER] = {"<|im_start|>user\n", "", "<|im_end|>\n"},
              [WKV_ASSISTANT] = {"<|im_start|>assistant\n", "", "<|im_end|>\n"}},
     .after_last = true},
    {.name = "alpaca",
     .role = {[WKV_SYSTEM] = {"", "", "\n\n"},
              [WKV_USER] = {"### Instruction:\n", "", "\n\n"},
              [WKV_ASSISTANT] = {"### Response:\n", "", "\n\n"}}},
};

const wkv_chat *wkv_chat_at(int i)
{
    return i < (int)(sizeof chats / sizeof chats[0]) ? &chats[i] : NULL;
}

const wkv_chat *wkv_chat_find(const char *name)
{
    for (int i = 0; name != NULL && wkv_chat_at(i) != NULL; i++)
        if (strcmp(chats[i].name, name) == 0)
            return &chats[i];
    return NULL;
}

wkv_role wkv_role_of(const char *name)
{
    static const struct {
        const char *name;
        wkv_role role;
    } names[] = {
        {"system", WKV_SYSTEM},       {"developer", WKV_SYSTEM}, {"user", WKV_USER},
        {"human", WKV_USER},          {"prompter", WKV_USER},    {"assistant", WKV_ASSISTANT},
        {"Assistant", WKV_ASSISTANT}, {"gpt", WKV_ASSISTANT},    {"model", WKV_ASSISTANT},
        {"bot", WKV_ASSISTANT},       {"User", WKV_USER},        {"System", WKV_SYSTEM},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].role;
    return WKV_ROLES;
}

/* ---- examples ------------------------------------------------------------------------------ */

void wkv_example_deinit(wkv_example *e)
{
    wkv_strbuf_deinit(&e->text);
    wkv_strbuf_deinit(&e->runs);
}

/* Keeps the memory for the next. */
static void clear(wkv_strbuf *b)
{
    if (b->failed)
        wkv_strbuf_deinit(b);
    b->len = 0;
    b->failed = false;
}

void wkv_example_clear(wkv_example *e)
{
    clear(&e->text);
    clear(&e->runs);
}

size_t wkv_example_runs(const wkv_example *e)
{
    return e->runs.len / sizeof(wkv_run);
}

const wkv_run *wkv_example_run(const wkv_example *e, size_t i)
{
    return (const wkv_run *)(const void *)e->runs.data + i;
}

bool wkv_example_ok(const wkv_example *e)
{
    return wkv_strbuf_ok(&e->text) && wkv_strbuf_ok(&e->runs);
}

void wkv_example_add(wkv_example *e, const char *text, size_t n, bool learn)
{
    wkv_strbuf_add(&e->text, text, n);
    size_t runs = wkv_example_runs(e);
    wkv_run run = {e->text.len, learn};
    if (!wkv_example_ok(e) || n == 0)
        return;
    if (runs > 0 && wkv_example_run(e, runs - 1)->learn == learn)
        memcpy(e->runs.data + (runs - 1) * sizeof run, &run, sizeof run);
    else
        wkv_strbuf_add(&e->runs, &run, sizeof run);
}

/* ---- messages ------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The words without space around them; in one_line, of several line ends one stays. */
static void add_words(const wkv_chat *c, wkv_example *e, const char *words, size_t n, bool learn)
{
    while (n > 0 && is_space(words[0]))
        words++, n--;
    while (n > 0 && is_space(words[n - 1]))
        n--;
    size_t from = 0;
    for (size_t i = 0; i < n && c->one_line; i++) {
        size_t stop = i;
        while (stop < n && (words[stop] == '\n' || words[stop] == '\r'))
            stop++;
        if (stop == i)
            continue;
        wkv_example_add(e, words + from, i - from, learn);
        wkv_example_add(e, "\n", 1, learn);
        from = stop;
        i = stop - 1;
    }
    wkv_example_add(e, words + from, n - from, learn);
}

void wkv_chat_add(const wkv_chat *c, wkv_example *e, wkv_role role, const char *words, size_t n,
                  bool last)
{
    bool learn = role == WKV_ASSISTANT;
    const char *before = c->role[role].before, *join = c->role[role].join;
    wkv_example_add(e, before, strlen(before), false);
    wkv_example_add(e, join, strlen(join), learn);
    add_words(c, e, words, n, learn);
    if (!last || c->after_last)
        wkv_example_add(e, c->role[role].after, strlen(c->role[role].after), learn);
}
