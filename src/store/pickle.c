/* store/pickle.c - the stack machine behind pickle.h.
 *
 * One table maps opcodes to small functions; what is not in the table is refused.
 * Values and container entries live in two growing arrays and refer to one another by
 * index, so that self-reference is harmless here (whoever walks the values must bound
 * the walk).  Every array has a limit, and nothing recurses. */
#include "store/pickle.h"

#include <string.h>

#include "base/mem.h"
#include "store/bytes.h"

enum {
    MAX_VALUES = 1 << 22,
    MAX_ITEMS = 1 << 23,
    MAX_STACK = 1 << 22,
    MAX_MARKS = 1 << 20,
    MAX_MEMO = 1 << 22,
    MAX_NAME = 256 /* of a module or of a name in it */
};

#define NOT_SET UINT32_MAX

typedef struct machine {
    wkv_pickle *out;
    const wkv_pickle_name *allowed;
    const uint8_t *data;
    size_t size, at;
    uint32_t *stack;
    size_t n_stack, cap_stack;
    size_t *marks; /* heights of the stack */
    size_t n_marks, cap_marks;
    uint32_t *memo;
    size_t n_memo, cap_memo; /* n_memo: one more than the highest index set */
    size_t op_at;            /* where the present opcode lies */
    bool stopped;
} machine;

typedef struct opcode {
    wkv_status (*run)(machine *m, int arg, wkv_error *err);
    int arg;
} opcode;

static wkv_status bad(const machine *m, const char *what, wkv_error *err)
{
    WKV_FAIL(err, WKV_E_FORMAT, "the pickle is damaged at byte %zu: %s", m->op_at, what);
}

/* ---- arrays ---------------------------------------------------------------------------- */

/* Makes room for index n in *list. */
static wkv_status grow(const machine *m, void **list, size_t n, size_t *cap, size_t size,
                       size_t limit, wkv_error *err)
{
    if (n < *cap)
        return WKV_OK;
    if (n >= limit)
        WKV_FAIL(err, WKV_E_LIMIT, "the pickle needs more than %zu entries at byte %zu", limit,
                 m->op_at);
    size_t wanted = *cap > 0 ? *cap : 64;
    while (wanted <= n)
        wanted *= 2;
    void *p = wkv_realloc(*list, wanted * size);
    if (p == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the pickle");
    *list = p;
    *cap = wanted;
    return WKV_OK;
}

static wkv_status push(machine *m, uint32_t value, wkv_error *err)
{
    void *list = m->stack;
    WKV_TRY(grow(m, &list, m->n_stack, &m->cap_stack, sizeof *m->stack, MAX_STACK, err));
    m->stack = list;
    m->stack[m->n_stack++] = value;
    return WKV_OK;
}

static wkv_status push_new(machine *m, wkv_pickle_value value, wkv_error *err)
{
    wkv_pickle *p = m->out;
    void *list = p->values;
    WKV_TRY(grow(m, &list, p->n_values, &p->cap_values, sizeof *p->values, MAX_VALUES, err));
    p->values = list;
    p->values[p->n_values] = value;
    return push(m, (uint32_t)p->n_values++, err);
}

/* Adds value to the end of the container. */
static wkv_status append(machine *m, uint32_t container, uint32_t value, wkv_error *err)
{
    wkv_pickle *p = m->out;
    void *list = p->items;
    WKV_TRY(grow(m, &list, p->n_items, &p->cap_items, sizeof *p->items, MAX_ITEMS, err));
    p->items = list;
    const uint32_t item = (uint32_t)p->n_items++;
    p->items[item] = (wkv_pickle_item){.value = value, .next = 0};
    wkv_pickle_value *c = &p->values[container];
    if (c->first == 0)
        c->first = item;
    else
        p->items[c->last].next = item;
    c->last = item;
    c->count++;
    return WKV_OK;
}

/* The height that the stack may not be popped below. */
static size_t stack_floor(const machine *m)
{
    return m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
}

static wkv_status pop(machine *m, uint32_t *value, wkv_error *err)
{
    if (m->n_stack <= stack_floor(m))
        return bad(m, "the stack is empty", err);
    *value = m->stack[--m->n_stack];
    return WKV_OK;
}

static wkv_status pop_mark(machine *m, size_t *height, wkv_error *err)
{
    if (m->n_marks == 0)
        return bad(m, "there is no mark", err);
    *height = m->marks[--m->n_marks];
    return WKV_OK;
}

/* The container below a mark at `height`, of the kind wanted. */
static wkv_status target(const machine *m, size_t height, wkv_pickle_kind kind, uint32_t *out,
                         wkv_error *err)
{
    if (height <= stack_floor(m))
        return bad(m, "the stack is empty", err);
    *out = m->stack[height - 1];
    if (m->out->values[*out].kind != kind)
        return bad(m, "an entry is added to what is no container for it", err);
    return WKV_OK;
}

/* Moves everything from `height` on into the container. */
static wkv_status collect(machine *m, uint32_t container, size_t height, wkv_error *err)
{
    if (m->out->values[container].kind == WKV_PICKLE_DICT && (m->n_stack - height) % 2 != 0)
        return bad(m, "a key has no value", err);
    for (size_t i = height; i < m->n_stack; i++)
        WKV_TRY(append(m, container, m->stack[i], err));
    m->n_stack = height;
    return WKV_OK;
}

/* ---- input ------------------------------------------------------------------------------ */

static wkv_status take(machine *m, size_t n, const uint8_t **p, wkv_error *err)
{
    if (n > m->size - m->at)
        return bad(m, "it ends too early", err);
    *p = m->data + m->at;
    m->at += n;
    return WKV_OK;
}

/* An unsigned number of 1, 2, 4 or 8 bytes. */
static wkv_status take_number(machine *m, int width, uint64_t *out, wkv_error *err)
{
    const uint8_t *p;
    WKV_TRY(take(m, (size_t)width, &p, err));
    *out = width == 1   ? p[0]
           : width == 2 ? wkv_get_u16(p)
           : width == 4 ? wkv_get_u32(p)
                        : wkv_get_u64(p);
    return WKV_OK;
}

/* A length of `width` bytes and as many bytes. */
static wkv_status take_counted(machine *m, int width, const uint8_t **p, uint32_t *n,
                               wkv_error *err)
{
    uint64_t length;
    WKV_TRY(take_number(m, width, &length, err));
    if (length > m->size - m->at || length > INT32_MAX)
        return bad(m, "a text or number is longer than what is left", err);
    *n = (uint32_t)length;
    return take(m, (size_t)length, p, err);
}

/* Bytes up to a line end, which is skipped. */
static wkv_status take_line(machine *m, const char **text, int *n, wkv_error *err)
{
    const uint8_t *p = m->data + m->at;
    size_t left = m->size - m->at;
    const uint8_t *end = memchr(p, '\n', left < MAX_NAME ? left : MAX_NAME);
    if (end == NULL)
        return bad(m, "a name does not end", err);
    *text = (const char *)p;
    *n = (int)(end - p);
    m->at += (size_t)(end - p) + 1;
    return WKV_OK;
}

/* ---- opcodes: constants ------------------------------------------------------------------- */

static wkv_status op_proto(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint64_t version;
    WKV_TRY(take_number(m, 1, &version, err));
    if (version < 2 || version > 5)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "the pickle is of protocol %d; 2 to 5 are supported",
                 (int)version);
    return WKV_OK;
}

/* Frames only help reading ahead. */
static wkv_status op_frame(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint64_t length;
    WKV_TRY(take_number(m, 8, &length, err));
    return length <= m->size - m->at ? WKV_OK : bad(m, "a frame is longer than what is left", err);
}

static wkv_status op_none(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_NONE}, err);
}

static wkv_status op_bool(machine *m, int arg, wkv_error *err)
{
    return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_BOOL, .integer = arg}, err);
}

static wkv_status op_int(machine *m, int width, wkv_error *err)
{
    uint64_t n;
    WKV_TRY(take_number(m, width, &n, err));
    /* Only the four-byte form is signed. */
    int64_t value = width == 4 ? (int64_t)(int32_t)(uint32_t)n : (int64_t)n;
    return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_INT, .integer = value}, err);
}

static wkv_status op_long(machine *m, int width, wkv_error *err)
{
    const uint8_t *p;
    uint32_t n;
    WKV_TRY(take_counted(m, width, &p, &n, err));
    if (n > 8)
        return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_BIGINT, .count = n, .bytes = p},
                        err);
    uint64_t value = n > 0 && (p[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;
    for (uint32_t i = n; i-- > 0;)
        value = value << 8 | p[i];
    int64_t integer;
    memcpy(&integer, &value, sizeof integer);
    return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_INT, .integer = integer}, err);
}

static wkv_status op_float(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    const uint8_t *p;
    WKV_TRY(take(m, 8, &p, err));
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    double real;
    memcpy(&real, &bits, sizeof real);
    return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_FLOAT, .real = real}, err);
}

static wkv_status op_text(machine *m, int width, wkv_error *err)
{
    wkv_pickle_value v = {.kind = WKV_PICKLE_TEXT};
    WKV_TRY(take_counted(m, width, &v.bytes, &v.count, err));
    return push_new(m, v, err);
}

static wkv_status op_bytes(machine *m, int width, wkv_error *err)
{
    wkv_pickle_value v = {.kind = WKV_PICKLE_BYTES};
    WKV_TRY(take_counted(m, width, &v.bytes, &v.count, err));
    return push_new(m, v, err);
}

/* ---- opcodes: the stack and the memo -------------------------------------------------------- */

static wkv_status op_mark(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    void *list = m->marks;
    WKV_TRY(grow(m, &list, m->n_marks, &m->cap_marks, sizeof *m->marks, MAX_MARKS, err));
    m->marks = list;
    m->marks[m->n_marks++] = m->n_stack;
    return WKV_OK;
}

static wkv_status op_pop(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    if (m->n_marks > 0 && stack_floor(m) == m->n_stack) {
        m->n_marks--;
        return WKV_OK;
    }
    uint32_t value;
    return pop(m, &value, err);
}

static wkv_status op_pop_mark(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    return pop_mark(m, &m->n_stack, err);
}

static wkv_status op_dup(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    if (m->n_stack <= stack_floor(m))
        return bad(m, "the stack is empty", err);
    return push(m, m->stack[m->n_stack - 1], err);
}

static wkv_status remember(machine *m, uint64_t index, wkv_error *err)
{
    if (m->n_stack <= stack_floor(m))
        return bad(m, "the stack is empty", err);
    void *list = m->memo;
    WKV_TRY(grow(m, &list, (size_t)index, &m->cap_memo, sizeof *m->memo, MAX_MEMO, err));
    m->memo = list;
    while (m->n_memo <= index)
        m->memo[m->n_memo++] = NOT_SET;
    m->memo[index] = m->stack[m->n_stack - 1];
    return WKV_OK;
}

static wkv_status op_put(machine *m, int width, wkv_error *err)
{
    uint64_t index;
    WKV_TRY(take_number(m, width, &index, err));
    return remember(m, index, err);
}

static wkv_status op_memoize(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    return remember(m, m->n_memo, err);
}

static wkv_status op_get(machine *m, int width, wkv_error *err)
{
    uint64_t index;
    WKV_TRY(take_number(m, width, &index, err));
    if (index >= m->n_memo || m->memo[index] == NOT_SET)
        return bad(m, "it refers to something not seen yet", err);
    return push(m, m->memo[index], err);
}

/* ---- opcodes: containers ------------------------------------------------------------------------
 */

static wkv_status op_empty(machine *m, int kind, wkv_error *err)
{
    return push_new(m, (wkv_pickle_value){.kind = (wkv_pickle_kind)kind}, err);
}

/* A new container of what lies above `height`. */
static wkv_status build_from(machine *m, wkv_pickle_kind kind, size_t height, wkv_error *err)
{
    WKV_TRY(push_new(m, (wkv_pickle_value){.kind = kind}, err));
    const uint32_t container = m->stack[--m->n_stack];
    WKV_TRY(collect(m, container, height, err));
    return push(m, container, err);
}

static wkv_status op_from_mark(machine *m, int kind, wkv_error *err)
{
    size_t height;
    WKV_TRY(pop_mark(m, &height, err));
    return build_from(m, (wkv_pickle_kind)kind, height, err);
}

static wkv_status op_tuple(machine *m, int n, wkv_error *err)
{
    if (m->n_stack - stack_floor(m) < (size_t)n)
        return bad(m, "the stack is empty", err);
    return build_from(m, WKV_PICKLE_TUPLE, m->n_stack - (size_t)n, err);
}

/* Adds the last n values (0: all above the mark) to the container below them. */
static wkv_status add_last(machine *m, wkv_pickle_kind kind, int n, wkv_error *err)
{
    size_t height = m->n_stack - (size_t)n;
    if (m->n_stack - stack_floor(m) < (size_t)n)
        return bad(m, "the stack is empty", err);
    if (n == 0)
        WKV_TRY(pop_mark(m, &height, err));
    uint32_t container;
    WKV_TRY(target(m, height, kind, &container, err));
    return collect(m, container, height, err);
}

static wkv_status op_append(machine *m, int n, wkv_error *err)
{
    return add_last(m, WKV_PICKLE_LIST, n, err);
}

static wkv_status op_set_item(machine *m, int n, wkv_error *err)
{
    return add_last(m, WKV_PICKLE_DICT, n, err);
}

/* ---- opcodes: names and calls
 * ----------------------------------------------------------------------- */

static wkv_status push_name(machine *m, const char *module, int module_len, const char *name,
                            int name_len, wkv_error *err)
{
    for (int i = 0; m->allowed[i].name != NULL; i++) {
        const char *allowed = m->allowed[i].name;
        if (strlen(allowed) == (size_t)module_len + 1 + (size_t)name_len &&
            memcmp(allowed, module, (size_t)module_len) == 0 && allowed[module_len] == '.' &&
            memcmp(allowed + module_len + 1, name, (size_t)name_len) == 0)
            return push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_NAME, .integer = i}, err);
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED,
             "the pickle asks for %.*s.%.*s, which is not on the list of what a model file may "
             "use; nothing was executed",
             module_len, module, name_len, name);
}

static wkv_status op_global(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    const char *module, *name;
    int module_len, name_len;
    WKV_TRY(take_line(m, &module, &module_len, err));
    WKV_TRY(take_line(m, &name, &name_len, err));
    return push_name(m, module, module_len, name, name_len, err);
}

static wkv_status op_stack_global(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t name_at, module_at;
    WKV_TRY(pop(m, &name_at, err));
    WKV_TRY(pop(m, &module_at, err));
    const wkv_pickle_value *name = &m->out->values[name_at];
    const wkv_pickle_value *module = &m->out->values[module_at];
    if (name->kind != WKV_PICKLE_TEXT || module->kind != WKV_PICKLE_TEXT ||
        name->count > MAX_NAME || module->count > MAX_NAME)
        return bad(m, "a name is no short text", err);
    return push_name(m, (const char *)module->bytes, (int)module->count, (const char *)name->bytes,
                     (int)name->count, err);
}

/* A dict of the pairs in the argument, if there is one. */
static wkv_status make_dict(machine *m, const wkv_pickle_value *args, wkv_error *err)
{
    const wkv_pickle_value *pairs = wkv_pickle_at(m->out, args, 0);
    uint32_t item = pairs != NULL && pairs->kind == WKV_PICKLE_LIST ? pairs->first : 0;
    WKV_TRY(push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_DICT}, err));
    const uint32_t dict = m->stack[m->n_stack - 1];
    for (; item != 0; item = m->out->items[item].next) {
        const wkv_pickle_value *pair = wkv_pickle_item_value(m->out, item);
        if ((pair->kind != WKV_PICKLE_LIST && pair->kind != WKV_PICKLE_TUPLE) || pair->count != 2)
            return bad(m, "a dict is made of what are no pairs", err);
        const uint32_t key = pair->first;
        const uint32_t value = m->out->items[key].next;
        WKV_TRY(append(m, dict, m->out->items[key].value, err));
        WKV_TRY(append(m, dict, m->out->items[value].value, err));
    }
    return WKV_OK;
}

static wkv_status op_reduce(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t args_at, callee_at;
    WKV_TRY(pop(m, &args_at, err));
    WKV_TRY(pop(m, &callee_at, err));
    const wkv_pickle_value args = m->out->values[args_at];
    const wkv_pickle_value callee = m->out->values[callee_at];
    if (callee.kind != WKV_PICKLE_NAME || args.kind != WKV_PICKLE_TUPLE)
        return bad(m, "a call is of no function or has no arguments", err);
    const wkv_pickle_name *name = &m->allowed[callee.integer];
    switch (name->role) {
    case WKV_PICKLE_DICT_TYPE:
        return make_dict(m, &args, err);
    case WKV_PICKLE_IDENTITY:
        if (args.count != 1)
            return bad(m, "a call has the wrong number of arguments", err);
        return push(m, m->out->items[args.first].value, err);
    case WKV_PICKLE_CALLABLE:
        WKV_TRY(push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_CALL, .integer = callee.integer},
                         err));
        return append(m, m->stack[m->n_stack - 1], args_at, err);
    case WKV_PICKLE_INERT:
        break;
    }
    WKV_FAIL(err, WKV_E_UNSUPPORTED, "the pickle calls %s, which is not allowed", name->name);
}

/* Attributes of a dict (torch puts "_metadata" there) say nothing about tensors. */
static wkv_status op_build(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t state, object;
    WKV_TRY(pop(m, &state, err));
    return target(m, m->n_stack, WKV_PICKLE_DICT, &object, err);
}

static wkv_status op_persistent(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    uint32_t id;
    WKV_TRY(pop(m, &id, err));
    WKV_TRY(push_new(m, (wkv_pickle_value){.kind = WKV_PICKLE_PERSISTENT}, err));
    return append(m, m->stack[m->n_stack - 1], id, err);
}

static wkv_status op_stop(machine *m, int arg, wkv_error *err)
{
    (void)arg;
    m->stopped = true;
    m->out->used = m->at;
    return pop(m, &m->out->root, err);
}

/* ---- the machine
 * --------------------------------------------------------------------------------------- */

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

static wkv_status run(machine *m, wkv_error *err)
{
    while (!m->stopped) {
        m->op_at = m->at;
        if (m->at == m->size)
            return bad(m, "it does not end", err);
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
    machine m = {.out = out, .allowed = allowed, .data = data, .size = size};
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
