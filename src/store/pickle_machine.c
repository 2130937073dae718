/* store/pickle_machine.c - see pickle_machine.h.
 *
 * Values and container entries live in two growing arrays and refer to one another by
 * index, so that self-reference is harmless here (whoever walks the values must bound
 * the walk).  Every array has a limit, and nothing recurses. */
#include "store/pickle_machine.h"

#include <string.h>

#include "base/mem.h"
#include "store/bytes.h"

enum {
    MAX_VALUES = 1 << 22,
    MAX_ITEMS = 1 << 23,
    MAX_STACK = 1 << 22,
    MAX_MARKS = 1 << 20,
    MAX_MEMO = 1 << 22,
    MAX_LINE = 256
};

#define NOT_SET UINT32_MAX

wkv_status wkv_pm_bad(const wkv_pm *m, const char *what, wkv_error *err)
{
    WKV_FAIL(err, WKV_E_FORMAT, "the pickle is damaged at byte %zu: %s", m->op_at, what);
}

/* ---- arrays ---------------------------------------------------------------------------- */

/* Makes room for index n in *list. */
static wkv_status grow(const wkv_pm *m, void **list, size_t n, size_t *cap, size_t size,
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

wkv_status wkv_pm_push(wkv_pm *m, uint32_t value, wkv_error *err)
{
    void *list = m->stack;
    WKV_TRY(grow(m, &list, m->n_stack, &m->cap_stack, sizeof *m->stack, MAX_STACK, err));
    m->stack = list;
    m->stack[m->n_stack++] = value;
    return WKV_OK;
}

wkv_status wkv_pm_push_new(wkv_pm *m, wkv_pickle_value value, wkv_error *err)
{
    wkv_pickle *p = m->out;
    void *list = p->values;
    WKV_TRY(grow(m, &list, p->n_values, &p->cap_values, sizeof *p->values, MAX_VALUES, err));
    p->values = list;
    p->values[p->n_values] = value;
    return wkv_pm_push(m, (uint32_t)p->n_values++, err);
}

wkv_status wkv_pm_append(wkv_pm *m, uint32_t container, uint32_t value, wkv_error *err)
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

size_t wkv_pm_floor(const wkv_pm *m)
{
    return m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
}

wkv_status wkv_pm_pop(wkv_pm *m, uint32_t *value, wkv_error *err)
{
    if (m->n_stack <= wkv_pm_floor(m))
        return wkv_pm_bad(m, "the stack is empty", err);
    *value = m->stack[--m->n_stack];
    return WKV_OK;
}

wkv_status wkv_pm_pop_mark(wkv_pm *m, size_t *height, wkv_error *err)
{
    if (m->n_marks == 0)
        return wkv_pm_bad(m, "there is no mark", err);
    *height = m->marks[--m->n_marks];
    return WKV_OK;
}

wkv_status wkv_pm_target(const wkv_pm *m, size_t height, wkv_pickle_kind kind, uint32_t *out,
                         wkv_error *err)
{
    if (height <= wkv_pm_floor(m))
        return wkv_pm_bad(m, "the stack is empty", err);
    *out = m->stack[height - 1];
    if (m->out->values[*out].kind != kind)
        return wkv_pm_bad(m, "an entry is added to what is no container for it", err);
    return WKV_OK;
}

wkv_status wkv_pm_collect(wkv_pm *m, uint32_t container, size_t height, wkv_error *err)
{
    if (m->out->values[container].kind == WKV_PICKLE_DICT && (m->n_stack - height) % 2 != 0)
        return wkv_pm_bad(m, "a key has no value", err);
    for (size_t i = height; i < m->n_stack; i++)
        WKV_TRY(wkv_pm_append(m, container, m->stack[i], err));
    m->n_stack = height;
    return WKV_OK;
}

wkv_status wkv_pm_mark(wkv_pm *m, wkv_error *err)
{
    void *list = m->marks;
    WKV_TRY(grow(m, &list, m->n_marks, &m->cap_marks, sizeof *m->marks, MAX_MARKS, err));
    m->marks = list;
    m->marks[m->n_marks++] = m->n_stack;
    return WKV_OK;
}

wkv_status wkv_pm_remember(wkv_pm *m, uint64_t index, wkv_error *err)
{
    if (m->n_stack <= wkv_pm_floor(m))
        return wkv_pm_bad(m, "the stack is empty", err);
    void *list = m->memo;
    WKV_TRY(grow(m, &list, (size_t)index, &m->cap_memo, sizeof *m->memo, MAX_MEMO, err));
    m->memo = list;
    while (m->n_memo <= index)
        m->memo[m->n_memo++] = NOT_SET;
    m->memo[index] = m->stack[m->n_stack - 1];
    return WKV_OK;
}

wkv_status wkv_pm_recall(wkv_pm *m, uint64_t index, wkv_error *err)
{
    if (index >= m->n_memo || m->memo[index] == NOT_SET)
        return wkv_pm_bad(m, "it refers to something not seen yet", err);
    return wkv_pm_push(m, m->memo[index], err);
}

/* ---- input ------------------------------------------------------------------------------ */

wkv_status wkv_pm_take(wkv_pm *m, size_t n, const uint8_t **p, wkv_error *err)
{
    if (n > m->size - m->at)
        return wkv_pm_bad(m, "it ends too early", err);
    *p = m->data + m->at;
    m->at += n;
    return WKV_OK;
}

wkv_status wkv_pm_number(wkv_pm *m, int width, uint64_t *out, wkv_error *err)
{
    const uint8_t *p;
    WKV_TRY(wkv_pm_take(m, (size_t)width, &p, err));
    *out = width == 1   ? p[0]
           : width == 2 ? wkv_get_u16(p)
           : width == 4 ? wkv_get_u32(p)
                        : wkv_get_u64(p);
    return WKV_OK;
}

wkv_status wkv_pm_counted(wkv_pm *m, int width, const uint8_t **p, uint32_t *n, wkv_error *err)
{
    uint64_t length;
    WKV_TRY(wkv_pm_number(m, width, &length, err));
    if (length > m->size - m->at || length > INT32_MAX)
        return wkv_pm_bad(m, "a text or number is longer than what is left", err);
    *n = (uint32_t)length;
    return wkv_pm_take(m, (size_t)length, p, err);
}

wkv_status wkv_pm_line(wkv_pm *m, const char **text, int *n, wkv_error *err)
{
    const uint8_t *p = m->data + m->at;
    size_t left = m->size - m->at;
    const uint8_t *end = memchr(p, '\n', left < MAX_LINE ? left : MAX_LINE);
    if (end == NULL)
        return wkv_pm_bad(m, "a name does not end", err);
    *text = (const char *)p;
    *n = (int)(end - p);
    m->at += (size_t)(end - p) + 1;
    return WKV_OK;
}
