/* tests/support/open_all.c - see the header.  Reads in small pieces, so that a tensor
 * that repeats its elements costs no memory. */
#include "support/open_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096 };

static void demand(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void read_tensor(const wkv_tensor *t)
{
    static uint8_t piece[PIECE * 16];
    const int64_t count = wkv_tensor_count(t);
    demand(t->ndim >= 0 && t->ndim <= WKV_MAX_DIMS, "dimensions");
    demand(count >= 0 && (count == 0 || t->data != NULL), "elements");
    /* Enough to meet the first and the last byte of what is large. */
    for (int64_t i = 0; i < count; i += PIECE) {
        int64_t n = count - i < PIECE ? count - i : PIECE;
        if (i > 64 * PIECE && n == PIECE)
            continue;
        wkv_tensor_read(piece, t, t->dtype, i, n);
        if (wkv_dtype_is_weight(t->dtype))
            wkv_tensor_read(piece, t, WKV_DTYPE_F64, i, n);
    }
}

bool open_all(const void *data, size_t size, wkv_error *err)
{
    wkv_store *s;
    *err = (wkv_error){0};
    wkv_status status = wkv_store_open_memory(&s, "hostile.file", data, size, err);
    if (status != WKV_OK) {
        demand(s == NULL, "no store after a failure");
        demand(err->code == status, "the error has the status");
        demand(strncmp(err->text, "hostile.file: ", 14) == 0 && err->text[14] != '\0',
               "the error names the file");
        return false;
    }
    for (size_t i = 0; i < wkv_store_count(s); i++) {
        const wkv_tensor *t = wkv_store_at(s, i);
        read_tensor(t);
        demand(wkv_store_find(s, t->name) == t, "a name finds its tensor");
    }
    for (size_t i = 0; i < wkv_store_meta_count(s); i++) {
        const wkv_meta *m = wkv_store_meta_at(s, i);
        demand(strlen(m->value) <= m->value_len && wkv_store_meta(s, m->key) != NULL, "metadata");
    }
    wkv_store_close(&s);
    return true;
}
