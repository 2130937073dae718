/* store/pickle.h - what a Python pickle says, without doing any of it.
 *
 * A stack machine with an allow-list.  Functions and classes are never looked up or
 * called: a pickle may mention only the names that the caller lists, and a call of one
 * becomes a value that records the call.  Everything else is refused by name. */
#ifndef WKV_STORE_PICKLE_H
#define WKV_STORE_PICKLE_H

#include "base/error.h"

#include <stdbool.h>

typedef enum wkv_pickle_kind {
    WKV_PICKLE_NONE,
    WKV_PICKLE_BOOL,      /* integer: 0 or 1 */
    WKV_PICKLE_INT,       /* integer */
    WKV_PICKLE_BIGINT,    /* bytes, count: little-endian two's complement, more than 8 bytes */
    WKV_PICKLE_FLOAT,     /* real */
    WKV_PICKLE_TEXT,      /* bytes, count */
    WKV_PICKLE_BYTES,     /* bytes, count */
    WKV_PICKLE_TUPLE,     /* items from first */
    WKV_PICKLE_LIST,      /* items from first */
    WKV_PICKLE_DICT,      /* items from first: key, value, key, value */
    WKV_PICKLE_NAME,      /* integer: index into the caller's list */
    WKV_PICKLE_CALL,      /* integer: index of the callee; first: item holding the argument tuple */
    WKV_PICKLE_PERSISTENT /* first: item holding the id */
} wkv_pickle_kind;

typedef struct wkv_pickle_value {
    wkv_pickle_kind kind;
    uint32_t count;       /* items, or bytes */
    uint32_t first, last; /* items; 0: none */
    union {
        int64_t integer;
        double real;
        const uint8_t *bytes; /* inside the pickle */
    };
} wkv_pickle_value;

/* An entry of a container: a list through `next`. */
typedef struct wkv_pickle_item {
    uint32_t value, next;
} wkv_pickle_item;

/* What the pickle may mention. */
typedef enum wkv_pickle_role {
    WKV_PICKLE_INERT,     /* a constant: may not be called */
    WKV_PICKLE_CALLABLE,  /* a call becomes WKV_PICKLE_CALL */
    WKV_PICKLE_DICT_TYPE, /* a call makes a dict, of the pairs given */
    WKV_PICKLE_IDENTITY   /* a call yields its one argument */
} wkv_pickle_role;

typedef struct wkv_pickle_name {
    const char *name; /* "collections.OrderedDict" */
    wkv_pickle_role role;
    int tag; /* the caller's */
} wkv_pickle_name;

typedef struct wkv_pickle {
    wkv_pickle_value *values;
    wkv_pickle_item *items; /* items[0] is unused */
    size_t n_values, cap_values, n_items, cap_items;
    uint32_t root; /* what the pickle stands for */
    size_t used;   /* bytes of input, up to and with STOP */
} wkv_pickle;

/* Reads one pickle from the start of data, protocols 2 to 5.  `allowed` ends with a
 * NULL name.  The caller releases *out with wkv_pickle_close, also after a failure;
 * texts point into data. */
wkv_status wkv_pickle_open(wkv_pickle *out, const uint8_t *data, size_t size,
                           const wkv_pickle_name *allowed, wkv_error *err);
void wkv_pickle_close(wkv_pickle *p);

/* The i-th item of `of`; NULL when there is none or `of` is NULL. */
const wkv_pickle_value *wkv_pickle_at(const wkv_pickle *p, const wkv_pickle_value *of, uint32_t i);

/* The value that an item holds. */
static inline const wkv_pickle_value *wkv_pickle_item_value(const wkv_pickle *p, uint32_t item)
{
    return &p->values[p->items[item].value];
}

/* True for a text with exactly these characters. */
bool wkv_pickle_is_text(const wkv_pickle_value *v, const char *text);

#endif
