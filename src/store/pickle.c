/* store/pickle.c - the opcodes of the unpickler (pickle.h).
 *
 * One table maps opcodes to small functions; what is not in the table is refused. */
#include "store/pickle.h"

#include <string.h>

#include "base/mem.h"
#include "store/pickle_machine.h"

enum { MAX_NAME = 256 /* of a module or of a name in it */ };

typedef struct opcode {
    wkv_status (*run)(wkv_pm *m, int arg, wkv_error *err);
    int arg;
} opcode;

/* ---- opcodes: constants ------------------------------------------------------------------- */

static wkv_status op_proto(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint64_t version;
    WKV_TRY(wkv_pm_number(m, 1, &version, err));
    if (version < 2 || version > 5)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "the pickle is of protocol %d; 2 to 5 are supported",
                 (int)version);
    return WKV_OK;
}

/* Frames only help reading ahead. */
static wkv_status op_frame(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint64_t length;
    WKV_TRY(wkv_pm_number(m, 8, &length, err));
    return length <= m->size - m->at ? WKV_OK
                                     : wkv_pm_bad(m, "a frame is longer than what is left", err);
}

static wkv_status op_none(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_NONE}, err);
}

static wkv_status op_bool(wkv_pm *m, int arg, wkv_error *err)
{
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_BOOL, .integer = arg}, err);
}

static wkv_status op_int(wkv_pm *m, int width, wkv_error *err)
{
    uint64_t n;
    WKV_TRY(wkv_pm_number(m, width, &n, err));
    /* Only the four-byte form is signed. */
    int64_t value = width == 4 ? (int64_t)(int32_t)(uint32_t)n : (int64_t)n;
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_INT, .integer = value}, err);
}

static wkv_status op_long(wkv_pm *m, int width, wkv_error *err)
{
    const uint8_t *p;
    uint32_t n;
    WKV_TRY(wkv_pm_counted(m, width, &p, &n, err));
    if (n > 8)
        return wkv_pm_push_new(
            m, (wkv_pickle_value){.kind = WKV_PICKLE_BIGINT, .count = n, .bytes = p}, err);
    uint64_t value = n > 0 && (p[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;
    for (uint32_t i = n; i-- > 0;)
        value = value << 8 | p[i];
    int64_t integer;
    memcpy(&integer, &value, sizeof integer);
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_INT, .integer = integer}, err);
}

static wkv_status op_float(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    const uint8_t *p;
    WKV_TRY(wkv_pm_take(m, 8, &p, err));
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    double real;
    memcpy(&real, &bits, sizeof real);
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_FLOAT, .real = real}, err);
}

static wkv_status op_text(wkv_pm *m, int width, wkv_error *err)
{
    wkv_pickle_value v = {.kind = WKV_PICKLE_TEXT};
    WKV_TRY(wkv_pm_counted(m, width, &v.bytes, &v.count, err));
    return wkv_pm_push_new(m, v, err);
}

static wkv_status op_bytes(wkv_pm *m, int width, wkv_error *err)
{
    wkv_pickle_value v = {.kind = WKV_PICKLE_BYTES};
    WKV_TRY(wkv_pm_counted(m, width, &v.bytes, &v.count, err));
    return wkv_pm_push_new(m, v, err);
}

/* ---- opcodes: the stack and the memo -------------------------------------------------------- */

static wkv_status op_mark(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    return wkv_pm_mark(m, err);
}

static wkv_status op_pop(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    if (m->n_marks > 0 && wkv_pm_floor(m) == m->n_stack) {
        m->n_marks--;
        return WKV_OK;
    }
    uint32_t value;
    return wkv_pm_pop(m, &value, err);
}

static wkv_status op_pop_mark(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    return wkv_pm_pop_mark(m, &m->n_stack, err);
}

static wkv_status op_dup(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    if (m->n_stack <= wkv_pm_floor(m))
        return wkv_pm_bad(m, "the stack is empty", err);
    return wkv_pm_push(m, m->stack[m->n_stack - 1], err);
}

static wkv_status op_put(wkv_pm *m, int width, wkv_error *err)
{
    uint64_t index;
    WKV_TRY(wkv_pm_number(m, width, &index, err));
    return wkv_pm_remember(m, index, err);
}

static wkv_status op_memoize(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    return wkv_pm_remember(m, m->n_memo, err);
}

static wkv_status op_get(wkv_pm *m, int width, wkv_error *err)
{
    uint64_t index;
    WKV_TRY(wkv_pm_number(m, width, &index, err));
    return wkv_pm_recall(m, index, err);
}

/* ---- opcodes: containers --------------------------------------------------------------------- */

static wkv_status op_empty(wkv_pm *m, int kind, wkv_error *err)
{
    return wkv_pm_push_new(m, (wkv_pickle_value){.kind = (wkv_pickle_kind)kind}, err);
}

/* A new container of what lies above `height`. */
static wkv_status build_from(wkv_pm *m, wkv_pickle_kind kind, size_t height, wkv_error *err)
{
    WKV_TRY(wkv_pm_push_new(m, (wkv_pickle_value){.kind = kind}, err));
    const uint32_t container = m->stack[--m->n_stack];
    WKV_TRY(wkv_pm_collect(m, container, height, err));
    return wkv_pm_push(m, container, err);
}

static wkv_status op_from_mark(wkv_pm *m, int kind, wkv_error *err)
{
    size_t height;
    WKV_TRY(wkv_pm_pop_mark(m, &height, err));
    return build_from(m, (wkv_pickle_kind)kind, height, err);
}

static wkv_status op_tuple(wkv_pm *m, int n, wkv_error *err)
{
    if (m->n_stack - wkv_pm_floor(m) < (size_t)n)
        return wkv_pm_bad(m, "the stack is empty", err);
    return build_from(m, WKV_PICKLE_TUPLE, m->n_stack - (size_t)n, err);
}

/* Adds the last n values (0: all above the mark) to the container below them. */
static wkv_status add_last(wkv_pm *m, wkv_pickle_kind kind, int n, wkv_error *err)
{
    size_t height = m->n_stack - (size_t)n;
    if (m->n_stack - wkv_pm_floor(m) < (size_t)n)
        return wkv_pm_bad(m, "the stack is empty", err);
    if (n == 0)
        WKV_TRY(wkv_pm_pop_mark(m, &height, err));
    uint32_t container;
    WKV_TRY(wkv_pm_target(m, height, kind, &container, err));
    return wkv_pm_collect(m, container, height, err);
}

static wkv_status op_append(wkv_pm *m, int n, wkv_error *err)
{
    return add_last(m, WKV_PICKLE_LIST, n, err);
}

static wkv_status op_set_item(wkv_pm *m, int n, wkv_error *err)
{
    return add_last(m, WKV_PICKLE_DICT, n, err);
}

/* ---- opcodes: names and calls ---------------------------------------------------------------- */

static wkv_status push_name(wkv_pm *m, const char *module, int module_len, const char *name,
                            int name_len, wkv_error *err)
{
    for (int i = 0; m->allowed[i].name != NULL; i++) {
        const char *allowed = m->allowed[i].name;
        if (strlen(allowed) == (size_t)module_len + 1 + (size_t)name_len &&
            memcmp(allowed, module, (size_t)module_len) == 0 && allowed[module_len] == '.' &&
            memcmp(allowed + module_len + 1, name, (size_t)name_len) == 0)
            return wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_NAME, .integer = i},
                                   err);
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED,
             "the pickle asks for %.*s.%.*s, which is not on the list of what a model file may "
             "use; nothing was executed",
             module_len, module, name_len, name);
}

static wkv_status op_global(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    const char *module, *name;
    int module_len, name_len;
    WKV_TRY(wkv_pm_line(m, &module, &module_len, err));
    WKV_TRY(wkv_pm_line(m, &name, &name_len, err));
    return push_name(m, module, module_len, name, name_len, err);
}

static wkv_status op_stack_global(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t name_at, module_at;
    WKV_TRY(wkv_pm_pop(m, &name_at, err));
    WKV_TRY(wkv_pm_pop(m, &module_at, err));
    const wkv_pickle_value *name = &m->out->values[name_at];
    const wkv_pickle_value *module = &m->out->values[module_at];
    if (name->kind != WKV_PICKLE_TEXT || module->kind != WKV_PICKLE_TEXT ||
        name->count > MAX_NAME || module->count > MAX_NAME)
        return wkv_pm_bad(m, "a name is no short text", err);
    return push_name(m, (const char *)module->bytes, (int)module->count, (const char *)name->bytes,
                     (int)name->count, err);
}

/* A dict of the pairs in the argument, if there is one. */
static wkv_status make_dict(wkv_pm *m, const wkv_pickle_value *args, wkv_error *err)
{
    const wkv_pickle_value *pairs = wkv_pickle_at(m->out, args, 0);
    uint32_t item = pairs != NULL && pairs->kind == WKV_PICKLE_LIST ? pairs->first : 0;
    WKV_TRY(wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_DICT}, err));
    const uint32_t dict = m->stack[m->n_stack - 1];
    for (; item != 0; item = m->out->items[item].next) {
        const wkv_pickle_value *pair = wkv_pickle_item_value(m->out, item);
        if ((pair->kind != WKV_PICKLE_LIST && pair->kind != WKV_PICKLE_TUPLE) || pair->count != 2)
            return wkv_pm_bad(m, "a dict is made of what are no pairs", err);
        const uint32_t key = pair->first;
        const uint32_t value = m->out->items[key].next;
        WKV_TRY(wkv_pm_append(m, dict, m->out->items[key].value, err));
        WKV_TRY(wkv_pm_append(m, dict, m->out->items[value].value, err));
    }
    return WKV_OK;
}

static wkv_status op_reduce(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t args_at, callee_at;
    WKV_TRY(wkv_pm_pop(m, &args_at, err));
    WKV_TRY(wkv_pm_pop(m, &callee_at, err));
    const wkv_pickle_value args = m->out->values[args_at];
    const wkv_pickle_value callee = m->out->values[callee_at];
    if (callee.kind != WKV_PICKLE_NAME || args.kind != WKV_PICKLE_TUPLE)
        return wkv_pm_bad(m, "a call is of no function or has no arguments", err);
    const wkv_pickle_name *name = &m->allowed[callee.integer];
    switch (name->role) {
    case WKV_PICKLE_DICT_TYPE:
        return make_dict(m, &args, err);
    case WKV_PICKLE_IDENTITY:
        if (args.count != 1)
            return wkv_pm_bad(m, "a call has the wrong number of arguments", err);
        return wkv_pm_push(m, m->out->items[args.first].value, err);
    case WKV_PICKLE_CALLABLE:
        WKV_TRY(wkv_pm_push_new(
            m, (wkv_pickle_value){.kind = WKV_PICKLE_CALL, .integer = callee.integer}, err));
        return wkv_pm_append(m, m->stack[m->n_stack - 1], args_at, err);
    case WKV_PICKLE_INERT:
        break;
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED, "the pickle calls %s, which is not allowed", name->name);
}

/* Attributes of a dict (torch puts "_metadata" there) say nothing about tensors. */
static wkv_status op_build(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t state, object;
    WKV_TRY(wkv_pm_pop(m, &state, err));
    return wkv_pm_target(m, m->n_stack, WKV_PICKLE_DICT, &object, err);
}

static wkv_status op_persistent(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t id;
    WKV_TRY(wkv_pm_pop(m, &id, err));
    WKV_TRY(wkv_pm_push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_PERSISTENT}, err));
    return wkv_pm_append(m, m->stack[m->n_stack - 1], id, err);
}

static wkv_status op_stop(wkv_pm *m, int arg, wkv_error *err)
{
    (void)arg;
    m->stopped = true;
    m->out->used = m->at;
    return wkv_pm_pop(m, &m->out->root, err);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static const opcode opcodes[256] = {
    [0x80] = {op_proto, 0},
    [0x95] = {op_frame, 0},
    ['N'] = {op_none, 0},
    [0x88] = {op_bool, 1},
    [0x89] = {op_bool, 0},
    ['K'] = {op_int, 1},
    ['M'] = {op_int, 2},
    ['J'] = {op_int, 4},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    ['G'] = {op_float, 0},
    ['U'] = {op_text, 1}, /* the text type of Python 2 */
    ['T'] = {op_text, 4},
    [0x8c] = {op_text, 1},
    ['X'] = {op_text, 4},
    [0x8d] = {op_text, 8},
    ['C'] = {op_bytes, 1},
    ['B'] = {op_bytes, 4},
    [0x8e] = {op_bytes, 8},
    ['('] = {op_mark, 0},
    ['0'] = {op_pop, 0},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_dup, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    [0x94] = {op_memoize, 0},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    [')'] = {op_empty, WKV_PICKLE_TUPLE},
    [']'] = {op_empty, WKV_PICKLE_LIST},
    ['}'] = {op_empty, WKV_PICKLE_DICT},
    [0x8f] = {op_empty, WKV_PICKLE_LIST}, /* a set */
    ['t'] = {op_from_mark, WKV_PICKLE_TUPLE},
    ['l'] = {op_from_mark, WKV_PICKLE_LIST},
    ['d'] = {op_from_mark, WKV_PICKLE_DICT},
    [0x91] = {op_from_mark, WKV_PICKLE_TUPLE}, /* a frozen set */
    [0x85] = {op_tuple, 1},
    [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3},
    ['a'] = {op_append, 1},
    ['e'] = {op_append, 0},
    [0x90] = {op_append, 0}, /* to a set */
    ['s'] = {op_set_item, 2},
    ['u'] = {op_set_item, 0},
    ['c'] = {op_global, 0},
    [0x93] = {op_stack_global, 0},
    ['R'] = {op_reduce, 0},
    ['b'] = {op_build, 0},
    ['Q'] = {op_persistent, 0},
    ['.'] = {op_stop, 0},
};

static wkv_status run(wkv_pm *m, wkv_error *err)
{
    while (!m->stopped) {
        m->op_at = m->at;
        if (m->at == m->size)
            return wkv_pm_bad(m, "it does not end", err);
        const uint8_t op = m->data[m->at++];
        if (opcodes[op].run == NULL)
            WKV_FAIL(err, WKV_E_UNSUPPORTED,
                     "the pickle uses opcode 0x%02x at byte %zu, which no model file needs", op,
                     m->op_at);
        WKV_TRY(opcodes[op].run(m, opcodes[op].arg, err));
    }
    return WKV_OK;
}

wkv_status wkv_pickle_open(wkv_pickle *out, const uint8_t *data, size_t size,
                           const wkv_pickle_name *allowed, wkv_error *err)
{
    *out = (wkv_pickle){.n_items = 1};
    wkv_pm m = {.out = out, .allowed = allowed, .data = data, .size = size};
    wkv_status status = run(&m, err);
    wkv_free(m.stack);
    wkv_free(m.marks);
    wkv_free(m.memo);
    return status;
}

void wkv_pickle_close(wkv_pickle *p)
{
    wkv_free(p->values);
    wkv_free(p->items);
    *p = (wkv_pickle){0};
}

const wkv_pickle_value *wkv_pickle_at(const wkv_pickle *p, const wkv_pickle_value *of, uint32_t i)
{
    if (of == NULL || of->first == 0 || i >= of->count)
        return NULL;
    uint32_t item = of->first;
    while (i-- > 0)
        item = p->items[item].next;
    return wkv_pickle_item_value(p, item);
}

bool wkv_pickle_is_text(const wkv_pickle_value *v, const char *text)
{
    return v->kind == WKV_PICKLE_TEXT && v->count == strlen(text) &&
           memcmp(v->bytes, text, v->count) == 0;
}
