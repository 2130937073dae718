/* store/write.c - writing a store in any format that can be written: the choice of
 * format, the atomic file, and the types that tensors take in it. */
#include <string.h>

#include "base/mem.h"
#include "store/format.h"

/* Multiples of every block size; what a quantiser gets should keep several threads busy.  Bytes
 * that go through as they are do so in pieces too, so that writing can be stopped between them. */
enum { STREAM_ELEMENTS = 1 << 14, QUANTISE_ELEMENTS = 1 << 20, PIECE_BYTES = 1 << 22 };

wkv_dtype wkv_store_out_dtype(const wkv_store_out *what, const wkv_tensor *t)
{
    if (!wkv_dtype_is_weight(t->dtype))
        return t->dtype;
    if (what->dtype != WKV_DTYPE_COUNT && wkv_tensor_is_matrix(t))
        return what->dtype;
    return wkv_dtype_of(t->dtype)->block > 1 ? WKV_DTYPE_F32 : t->dtype;
}

const wkv_tensor *wkv_store_out_find(const wkv_store_out *what, const char *name)
{
    for (size_t i = 0; i < what->n_tensors; i++)
        if (strcmp(what->tensors[i].name, name) == 0)
            return &what->tensors[i];
    return NULL;
}

const wkv_meta *wkv_store_out_meta(const wkv_store_out *what, const char *key)
{
    return wkv_meta_find(what->meta, what->n_meta, key);
}

/* ---- progress ---------------------------------------------------------------------------- */

static uint64_t bytes_of(const wkv_tensor *t, int64_t elements)
{
    const wkv_dtype_info *info = wkv_dtype_of(t->dtype);
    return (uint64_t)(elements / info->block * info->bytes);
}

static void begin_progress(const wkv_store_out *what)
{
    wkv_store_progress *p = what->progress;
    if (p == NULL)
        return;
    p->done = p->total = 0;
    for (size_t i = 0; i < what->n_tensors; i++)
        p->total += bytes_of(&what->tensors[i], wkv_tensor_count(&what->tensors[i]));
}

static wkv_status advance(const wkv_store_out *what, uint64_t bytes, wkv_error *err)
{
    wkv_store_progress *p = what->progress;
    if (p == NULL)
        return WKV_OK;
    /* What a format computes can be larger than what it was given. */
    p->done = bytes < p->total - p->done ? p->done + bytes : p->total;
    if (!p->tell(p->user, p->done, p->total))
        WKV_FAIL(err, WKV_E_STATE, "stopped");
    return WKV_OK;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static wkv_status stream_as_it_is(const wkv_store_out *what, const wkv_tensor *t,
                                  wkv_store_sink sink, void *user, wkv_error *err)
{
    const uint64_t bytes = bytes_of(t, wkv_tensor_count(t));
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        const uint64_t n = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        WKV_TRY(sink(user, t->data + at, (size_t)n, err));
        WKV_TRY(advance(what, n, err));
    }
    return WKV_OK;
}

wkv_status wkv_store_stream(const wkv_store_out *what, const wkv_tensor *t, wkv_dtype dtype,
                            wkv_store_sink sink, void *user, wkv_error *err)
{
    const wkv_dtype_info *info = wkv_dtype_of(dtype);
    const int64_t count = wkv_tensor_count(t);
    if (dtype == t->dtype && wkv_tensor_contiguous(t))
        return stream_as_it_is(what, t, sink, user, err);
    uint8_t *piece = wkv_malloc((size_t)STREAM_ELEMENTS * (size_t)info->bytes);
    if (piece == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory while writing tensor '%s'", t->name);
    wkv_status status = WKV_OK;
    for (int64_t i = 0; i < count && status == WKV_OK; i += STREAM_ELEMENTS) {
        int64_t n = count - i < STREAM_ELEMENTS ? count - i : STREAM_ELEMENTS;
        wkv_tensor_read(piece, t, dtype, i, n);
        status = sink(user, piece, (size_t)(n / info->block * info->bytes), err);
        if (status == WKV_OK)
            status = advance(what, bytes_of(t, n), err);
    }
    wkv_free(piece);
    return status;
}

wkv_dtype wkv_store_out_dtype_of_blocks(const wkv_store_out *what, const wkv_tensor *t)
{
    if (!wkv_dtype_is_weight(t->dtype))
        return t->dtype;
    if (what->quantiser != NULL)
        return what->quantiser->type_of(what->quantiser->user, t);
    return what->dtype != WKV_DTYPE_COUNT && wkv_tensor_is_matrix(t) ? what->dtype : t->dtype;
}

wkv_status wkv_store_stream_blocks(const wkv_store_out *what, const wkv_tensor *t, wkv_dtype dtype,
                                   wkv_store_sink sink, void *user, wkv_error *err)
{
    const wkv_store_quantiser *q = what->quantiser;
    const wkv_dtype_info *info = wkv_dtype_of(dtype);
    if (q == NULL || dtype == t->dtype || info->block == 1)
        return wkv_store_stream(what, t, dtype, sink, user, err);
    const int64_t count = wkv_tensor_count(t);
    const int64_t step = count < QUANTISE_ELEMENTS ? count : QUANTISE_ELEMENTS;
    uint8_t *piece = wkv_malloc((size_t)(step / info->block * info->bytes));
    if (piece == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory while writing tensor '%s'", t->name);
    wkv_status status = WKV_OK;
    for (int64_t i = 0; i < count && status == WKV_OK; i += step) {
        const int64_t n = count - i < step ? count - i : step;
        status = q->encode(q->user, piece, t, dtype, i, n, err);
        if (status == WKV_OK)
            status = sink(user, piece, (size_t)(n / info->block * info->bytes), err);
        if (status == WKV_OK)
            status = advance(what, bytes_of(t, n), err);
    }
    wkv_free(piece);
    return status;
}

wkv_status wkv_store_to_writer(void *user, const void *data, size_t n, wkv_error *err)
{
    return wkv_writer_write(user, data, n, err);
}

/* ---- files ------------------------------------------------------------------------------- */

static const wkv_format *format_by_name(const char *name)
{
    for (size_t i = 0; i < WKV_FORMATS; i++)
        if (strcmp(wkv_formats[i]->name, name) == 0)
            return wkv_formats[i];
    return NULL;
}

/* Errors name the folder that was asked for, not where it is being filled; nor twice. */
static void name_folder(wkv_error *err, wkv_status status, const char *temp, const char *path)
{
    char *at = err != NULL ? strstr(err->text, temp) : NULL;
    const size_t n = strlen(path), rest = strlen(temp);
    if (at != NULL) { /* the final name is the shorter one */
        memcpy(at, path, n);
        memmove(at + n, at + rest, strlen(at + rest) + 1);
    }
    if (at == NULL || at != err->text)
        wkv_error_prefix(err, status, path);
}

static wkv_status write_folder(const wkv_format *f, const char *path, const wkv_store_out *what,
                               wkv_error *err)
{
    char *temp;
    WKV_TRY(wkv_folder_create(&temp, path, err));
    wkv_status status = f->write_folder(temp, what, err);
    if (status == WKV_OK)
        return wkv_folder_commit(&temp, path, err);
    name_folder(err, status, temp, path);
    wkv_folder_abort(&temp);
    return status;
}

/* It may be written with slashes behind its name; nothing is called so. */
static wkv_status write_named_folder(const wkv_format *f, const char *path,
                                     const wkv_store_out *what, wkv_error *err)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    char *name = wkv_strndup(path, n);
    if (name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    wkv_status status = write_folder(f, name, what, err);
    wkv_free(name);
    return status;
}

bool wkv_store_format_has(const char *format, wkv_dtype t)
{
    const wkv_format *f = format_by_name(format);
    return f != NULL && f->write != NULL && f->dtype_number != NULL && f->dtype_number(t) >= 0;
}

wkv_status wkv_store_write(const char *path, const char *format, const wkv_store_out *what,
                           wkv_error *err)
{
    const wkv_format *f = format_by_name(format);
    if (f == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: there is no file format called '%s'", path, format);
    if (what->quantiser != NULL && f->dtype_number == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: the format %s has no quantised types; gguf has them",
                 path, format);
    begin_progress(what);
    if (f->folder)
        return write_named_folder(f, path, what, err);
    if (f->write == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: the format %s is only read", path, format);
    wkv_writer *w;
    WKV_TRY(wkv_writer_open(&w, path, err));
    wkv_status status = f->write(w, what, err);
    if (status != WKV_OK) {
        wkv_writer_abort(&w);
        /* Failures of the file itself name it already; so do values that a quantiser cannot take
         * name the file that they come from. */
        const bool named = status == WKV_E_IO || status == WKV_E_NUMERIC;
        return named ? status : wkv_error_prefix(err, status, path);
    }
    return wkv_writer_commit(&w, err);
}

/* True when path ends in one of the space-separated suffixes. */
static bool has_suffix(const char *path, const char *suffixes)
{
    size_t length = strlen(path);
    while (*suffixes != '\0') {
        size_t n = strcspn(suffixes, " ");
        if (length > n && memcmp(path + length - n, suffixes, n) == 0)
            return true;
        suffixes += n + (suffixes[n] == ' ');
    }
    return false;
}

const char *wkv_store_format_of_path(const char *path)
{
    /* A folder is meant by a slash behind its name, or by being there. */
    const size_t n = strlen(path);
    const bool folder = (n > 0 && path[n - 1] == '/') || wkv_path_is_folder(path);
    for (size_t i = 0; i < WKV_FORMATS; i++)
        if (folder ? wkv_formats[i]->folder : has_suffix(path, wkv_formats[i]->suffixes))
            return wkv_formats[i]->name;
    return NULL;
}
