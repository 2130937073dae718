/* train/example.c - see example.h.  Parsing is jansson's, behind the bounds of store/json.h. */
#include "train/example.h"

#include "store/json.h"

enum { DEPTH = 16 };

/* ---- words --------------------------------------------------------------------------------- */

/* Adds the words that a value holds: a string, or a list of parts {"type": "text", "text"}. */
static wkv_status gather(wkv_strbuf *words, const json_t *value, const char *key, wkv_error *err)
{
    if (json_is_string(value)) {
        wkv_strbuf_add(words, json_string_value(value), json_string_length(value));
        return WKV_OK;
    }
    if (!json_is_array(value))
        WKV_FAIL(err, WKV_E_FORMAT, "\"%s\" is %s, expected a string", key,
                 value == NULL ? "absent" : "no string");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *text = json_object_get(json_array_get(value, i), "text");
        if (!json_is_string(text))
            WKV_FAIL(err, WKV_E_FORMAT, "part %zu of \"%s\" is no text", i + 1, key);
        wkv_strbuf_add(words, json_string_value(text), json_string_length(text));
    }
    return WKV_OK;
}

static wkv_status add_message(wkv_example *e, const wkv_chat *chat, wkv_role role,
                              const json_t *value, const char *key, bool last, wkv_error *err)
{
    wkv_strbuf words;
    wkv_strbuf_init(&words);
    wkv_status s = gather(&words, value, key, err);
    if (s == WKV_OK && !wkv_strbuf_ok(&words))
        s = WKV_SET(err, WKV_E_MEMORY, "out of memory");
    if (s == WKV_OK)
        wkv_chat_add(chat, e, role, words.data != NULL ? words.data : "", words.len, last);
    wkv_strbuf_deinit(&words);
    return s;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static wkv_status read_messages(wkv_example *e, const wkv_chat *chat, const json_t *list,
                                const char *role_key, const char *words_key, wkv_error *err)
{
    size_t n = json_array_size(list), answers = 0;
    if (n == 0)
        WKV_FAIL(err, WKV_E_FORMAT, "a conversation without messages");
    for (size_t i = 0; i < n; i++) {
        const json_t *message = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(message, role_key));
        if (name == NULL)
            WKV_FAIL(err, WKV_E_FORMAT, "message %zu has no \"%s\"", i + 1, role_key);
        wkv_role role = wkv_role_of(name);
        if (role == WKV_ROLES)
            WKV_FAIL(err, WKV_E_FORMAT,
                     "message %zu is of \"%.40s\", expected system, user or assistant", i + 1,
                     name);
        answers += role == WKV_ASSISTANT;
        WKV_TRY(add_message(e, chat, role, json_object_get(message, words_key), words_key,
                            i + 1 == n, err));
    }
    if (answers == 0)
        WKV_FAIL(err, WKV_E_FORMAT, "no message is the assistant's: there is nothing to learn");
    return WKV_OK;
}

/* Pairs under the names that data sets use; `more` may follow the question. */
static const struct pair {
    const char *ask, *more, *answer;
} pairs[] = {
    {"prompt", NULL, "response"},       {"prompt", NULL, "completion"},
    {"instruction", "input", "output"}, {"instruction", "input", "response"},
    {"question", NULL, "answer"},       {"query", NULL, "response"},
    {"input", NULL, "output"},
};

static wkv_status read_pair(wkv_example *e, const wkv_chat *chat, const json_t *line,
                            const struct pair *p, wkv_error *err)
{
    const json_t *system = json_object_get(line, "system");
    const json_t *more = p->more != NULL ? json_object_get(line, p->more) : NULL;
    wkv_strbuf ask;
    if (json_is_string(system) && json_string_length(system) > 0)
        WKV_TRY(add_message(e, chat, WKV_SYSTEM, system, "system", false, err));
    wkv_strbuf_init(&ask);
    wkv_status s = gather(&ask, json_object_get(line, p->ask), p->ask, err);
    if (s == WKV_OK && json_is_string(more) && json_string_length(more) > 0) {
        wkv_strbuf_puts(&ask, "\n");
        s = gather(&ask, more, p->more, err);
    }
    if (s == WKV_OK && !wkv_strbuf_ok(&ask))
        s = WKV_SET(err, WKV_E_MEMORY, "out of memory");
    if (s == WKV_OK)
        wkv_chat_add(chat, e, WKV_USER, ask.data != NULL ? ask.data : "", ask.len, false);
    wkv_strbuf_deinit(&ask);
    if (s == WKV_OK)
        s = add_message(e, chat, WKV_ASSISTANT, json_object_get(line, p->answer), p->answer, true,
                        err);
    return s;
}

static wkv_status read_object(wkv_example *e, const wkv_chat *chat, const json_t *line,
                              wkv_error *err)
{
    const json_t *text = json_object_get(line, "text");
    if (!json_is_object(line))
        WKV_FAIL(err, WKV_E_FORMAT, "not an object");
    if (json_is_string(text)) {
        wkv_example_add(e, json_string_value(text), json_string_length(text), true);
        return WKV_OK;
    }
    const json_t *messages = json_object_get(line, "messages");
    const json_t *turns = json_object_get(line, "conversations");
    if (messages != NULL)
        return read_messages(e, chat, messages, "role", "content", err);
    if (turns != NULL)
        return read_messages(e, chat, turns, "from", "value", err);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (json_object_get(line, pairs[i].ask) != NULL &&
            json_object_get(line, pairs[i].answer) != NULL)
            return read_pair(e, chat, line, &pairs[i], err);
    WKV_FAIL(err, WKV_E_FORMAT,
             "neither \"text\" nor \"messages\" nor a pair such as \"prompt\" and \"response\"");
}

wkv_status wkv_example_read(wkv_example *e, const wkv_chat *chat, const char *line, size_t n,
                            wkv_error *err)
{
    json_t *value;
    WKV_TRY(wkv_json_parse(&value, "the line", line, n, DEPTH, err));
    wkv_status s = read_object(e, chat, value, err);
    json_decref(value);
    if (s == WKV_OK && !wkv_example_ok(e))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    if (s == WKV_OK && e->text.len == 0)
        WKV_FAIL(err, WKV_E_FORMAT, "an empty text");
    return s;
}
