/* store/names.c - see names.h.  Transposed tensors become views: nothing is computed. */
#include "store/names.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/canon.h"

const wkv_name_scheme *const wkv_name_schemes[] = {
    &wkv_names_transformers, &wkv_names_fla,     &wkv_names_web7,
    &wkv_names_web6,         &wkv_names_web5,    &wkv_names_web_state,
    &wkv_names_web_lora,     &wkv_names_wrapped, NULL,
};

static const char canonical_blocks[] = "blocks.";

size_t wkv_names_number(const char *p, uint64_t *number)
{
    size_t digits = strspn(p, "0123456789");
    *number = 0;
    if (digits > 6)
        return 0;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + (uint64_t)(p[i] - '0');
    return digits;
}

/* What follows the layer's number and its dot when name begins with stem and a number, whose
 * digits begin at *number; else NULL. */
static const char *after_layer(const char *name, const char *stem, const char **number,
                               size_t *digits)
{
    const size_t n = strlen(stem);
    uint64_t layer;
    if (strncmp(name, stem, n) != 0)
        return NULL;
    *number = name + n;
    *digits = wkv_names_number(*number, &layer);
    return *digits > 0 && (*number)[*digits] == '.' ? *number + *digits + 1 : NULL;
}

/* ---- reading ----------------------------------------------------------------------------- */

static const wkv_name_row *find_there(const wkv_name_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].there, name) == 0)
            return &rows[i];
    return NULL;
}

static const char *without_prefix(const wkv_name_scheme *scheme, const char *name)
{
    const size_t n = strlen(scheme->prefix);
    return strncmp(name, scheme->prefix, n) == 0 ? name + n : name;
}

const char *wkv_names_canonical(wkv_store *s, const char *number, size_t digits, const char *rest)
{
    if (digits == 0)
        return rest;
    const size_t size = strlen(canonical_blocks) + digits + 1 + strlen(rest) + 1;
    char *out = wkv_store_alloc(s, size);
    if (out != NULL)
        snprintf(out, size, "%s%.*s.%s", canonical_blocks, (int)digits, number, rest);
    return out;
}

/* A vector with all its elements in one dimension becomes [C] or [1, 1, C]; others stay as
 * they are and are refused by whoever expects a vector. */
static void set_vector(wkv_tensor *t, bool row)
{
    int64_t n = 1, stride = 1;
    for (int d = 0; d < t->ndim; d++) {
        if (t->dim[d] != 1 && n != 1)
            return;
        if (t->dim[d] != 1) {
            n = t->dim[d];
            stride = t->stride[d];
        }
    }
    t->ndim = row ? 3 : 1;
    for (int d = 0; d < t->ndim; d++) {
        t->dim[d] = d == t->ndim - 1 ? n : 1;
        t->stride[d] = d == t->ndim - 1 ? stride : n;
    }
}

static wkv_status add_known(wkv_store *s, const wkv_name_scheme *scheme, const wkv_name_row *r,
                            wkv_tensor *t, wkv_error *err)
{
    switch (r->form) {
    case WKV_NAME_SAME:
    case WKV_NAME_FLAT:
        break;
    case WKV_NAME_ROW:
    case WKV_NAME_VECTOR:
        set_vector(t, true);
        break;
    case WKV_NAME_TRANSPOSED:
        WKV_TRY(wkv_canon_transpose(s, t, err));
        break;
    case WKV_NAME_STACKED:
        if (!wkv_tensor_contiguous(t) || wkv_dtype_of(t->dtype)->block > 1)
            WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' cannot be taken apart", t->name);
        return wkv_canon_add_split(s, t, t->name, scheme->letters, err);
    }
    return wkv_store_add(s, t, err);
}

static wkv_status translate(wkv_store *s, const wkv_name_scheme *scheme, const wkv_tensor *from,
                            wkv_error *err)
{
    const char *name = without_prefix(scheme, from->name), *number = NULL;
    size_t digits = 0;
    const char *rest = after_layer(name, scheme->blocks, &number, &digits);
    const wkv_name_row *r = rest != NULL ? find_there(scheme->layer, scheme->n_layer, rest)
                                         : find_there(scheme->once, scheme->n_once, name);
    wkv_tensor t = *from;
    if (r == NULL) {
        /* Without a table the prefix is all there is to a scheme. */
        t.name = scheme->n_layer == 0 ? name : from->name;
        return wkv_store_add(s, &t, err);
    }
    t.name = wkv_names_canonical(s, number, rest != NULL ? digits : 0, r->here);
    if (t.name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    return add_known(s, scheme, r, &t, err);
}

static const wkv_name_scheme *recognise(const wkv_store *s)
{
    for (size_t i = 0; wkv_name_schemes[i] != NULL; i++)
        if (wkv_name_schemes[i]->is(s))
            return wkv_name_schemes[i];
    return NULL;
}

wkv_status wkv_names_read(wkv_store *s, bool *changed, wkv_error *err)
{
    const wkv_name_scheme *scheme = recognise(s);
    *changed = scheme != NULL;
    if (scheme == NULL)
        return WKV_OK;
    s->scheme = scheme->name;
    wkv_tensor *old = s->tensors;
    const size_t n = s->n_tensors;
    s->tensors = NULL;
    s->n_tensors = s->cap_tensors = 0;
    wkv_status status = WKV_OK;
    for (size_t i = 0; i < n && status == WKV_OK; i++)
        status = translate(s, scheme, &old[i], err);
    wkv_free(old);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------- */

static const wkv_name_row *find_here(const wkv_name_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].form != WKV_NAME_STACKED && strcmp(rows[i].here, name) == 0)
            return &rows[i];
    return NULL;
}

static wkv_status show(wkv_tensor *t, const wkv_name_row *r, wkv_error *err)
{
    switch (r->form) {
    case WKV_NAME_FLAT:
    case WKV_NAME_VECTOR:
        set_vector(t, false);
        break;
    case WKV_NAME_ROW:
        set_vector(t, true);
        break;
    case WKV_NAME_TRANSPOSED:
        if (wkv_dtype_of(t->dtype)->block > 1)
            WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' of type %s cannot be transposed", t->name,
                     wkv_dtype_of(t->dtype)->name);
        return wkv_canon_transpose(NULL, t, err); /* a view, so no store is needed */
    default:
        break;
    }
    return WKV_OK;
}

static wkv_status put(wkv_names_out *out, const wkv_name_scheme *scheme, const wkv_tensor *from,
                      wkv_error *err)
{
    const char *number = NULL;
    size_t digits = 0;
    const char *rest = after_layer(from->name, canonical_blocks, &number, &digits);
    const wkv_name_row *r = rest != NULL ? find_here(scheme->layer, scheme->n_layer, rest)
                                         : find_here(scheme->once, scheme->n_once, from->name);
    if (r == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s has no place for the tensor '%s'", scheme->name,
                 from->name);
    char *name = out->names[out->n_tensors];
    const bool bare = scheme->bare != NULL && strcmp(r->there, scheme->bare) == 0;
    if (rest != NULL)
        snprintf(name, sizeof *out->names, "%s%s%.*s.%s", scheme->prefix, scheme->blocks,
                 (int)digits, number, r->there);
    else
        snprintf(name, sizeof *out->names, "%s%s", bare ? "" : scheme->prefix, r->there);
    wkv_tensor *t = &out->tensors[out->n_tensors++];
    *t = *from;
    WKV_TRY(show(t, r, err));
    t->name = name;
    return WKV_OK;
}

wkv_status wkv_names_write(wkv_names_out *out, const wkv_name_scheme *scheme,
                           const wkv_store_out *what, wkv_error *err)
{
    *out = (wkv_names_out){0};
    out->tensors = wkv_calloc(what->n_tensors, sizeof *out->tensors);
    out->names = wkv_calloc(what->n_tensors, sizeof *out->names);
    if (out->tensors == NULL || out->names == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    for (size_t i = 0; i < what->n_tensors; i++)
        WKV_TRY(put(out, scheme, &what->tensors[i], err));
    return WKV_OK;
}

void wkv_names_deinit(wkv_names_out *out)
{
    wkv_free(out->tensors);
    wkv_free(out->names);
    *out = (wkv_names_out){0};
}
