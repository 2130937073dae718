/* store/rwkvcpp_write.c - writing the .bin files of rwkv.cpp, version 101.
 *
 * That program holds every tensor of a file against a list of its own and stops at one that
 * is not on it, so the table below is such a list, with what becomes of each tensor.  What it
 * has no number for, the epsilons, it takes as given; a model with others is refused, or,
 * where a power of two makes up for the difference, adjusted. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/blocks.h"
#include "base/mem.h"
#include "base/number.h"
#include "store/bytes.h"
#include "store/canon.h"
#include "store/rwkvcpp.h"

enum { VERSION = 101, NAME = 96, MAX_PARTS = 6 };

enum { V4 = 1, V5 = 2, V6 = 4, V7 = 8, ALL = 15, GATED = V5 | V6 };

typedef enum form {
    MATRIX,
    VECTOR,        /* as it is */
    FLAT,          /* [C] */
    TRANSPOSED,    /* the last two dimensions */
    PER_HEAD,      /* [H, N, 1] */
    DECAY_4,       /* -e^raw */
    DECAY_5,       /* exp(-e^raw), [H, D, 1] */
    BONUS_5,       /* e^raw, [H, 1, 1] */
    JOINED,        /* six vectors, [6, 1, C] */
    JOINED_BEFORE, /* the other five of them */
    DROPPED        /* of the first layer, which does not use it */
} form;

typedef struct row {
    int versions;
    form form;
    const char *name; /* "L." stands for "blocks.", a number and a dot */
} row;

static const row rows[] = {
    {ALL, MATRIX, "emb.weight"},
    {ALL, FLAT, "L.ln0.weight"},
    {ALL, FLAT, "L.ln0.bias"},
    {ALL, FLAT, "ln_out.weight"},
    {ALL, FLAT, "ln_out.bias"},
    {ALL, MATRIX, "head.weight"},
    {ALL, FLAT, "L.ln1.weight"},
    {ALL, FLAT, "L.ln1.bias"},
    {ALL, FLAT, "L.ln2.weight"},
    {ALL, FLAT, "L.ln2.bias"},
    {ALL, MATRIX, "L.att.receptance.weight"},
    {ALL, MATRIX, "L.att.key.weight"},
    {ALL, MATRIX, "L.att.value.weight"},
    {ALL, MATRIX, "L.att.output.weight"},
    {ALL, MATRIX, "L.ffn.key.weight"},
    {ALL, MATRIX, "L.ffn.value.weight"},
    {V4 | V5 | V6, MATRIX, "L.ffn.receptance.weight"},
    {V5 | V6 | V7, FLAT, "L.att.ln_x.weight"},
    {V5 | V6 | V7, FLAT, "L.att.ln_x.bias"},
    {V5 | V6, MATRIX, "L.att.gate.weight"},
    {V4 | V5, FLAT, "L.att.time_mix_k"},
    {V4 | V5, FLAT, "L.att.time_mix_v"},
    {V4 | V5, FLAT, "L.att.time_mix_r"},
    {V5, FLAT, "L.att.time_mix_g"},
    {V4 | V5, FLAT, "L.ffn.time_mix_k"},
    {V4 | V5, FLAT, "L.ffn.time_mix_r"},
    {V4, DECAY_4, "L.att.time_decay"},
    {V4, FLAT, "L.att.time_first"},
    {V5, DECAY_5, "L.att.time_decay"},
    {V5, BONUS_5, "L.att.time_first"},
    {V5 | V6, PER_HEAD, "L.att.time_faaaa"},
    {V6, PER_HEAD, "L.att.time_decay"},
    {V6, FLAT, "L.att.time_maa_x"},
    {V6, FLAT, "L.att.time_maa_w"},
    {V6, FLAT, "L.att.time_maa_k"},
    {V6, FLAT, "L.att.time_maa_v"},
    {V6, FLAT, "L.att.time_maa_r"},
    {V6, FLAT, "L.att.time_maa_g"},
    {V6, FLAT, "L.ffn.time_maa_k"},
    {V6, FLAT, "L.ffn.time_maa_r"},
    {V6, TRANSPOSED, "L.att.time_maa_w1"},
    {V6, TRANSPOSED, "L.att.time_maa_w2"},
    {V6, TRANSPOSED, "L.att.time_decay_w1"},
    {V6, TRANSPOSED, "L.att.time_decay_w2"},
    {V7, JOINED, "L.att.x_r"},
    {V7, JOINED_BEFORE, "L.att.x_w"},
    {V7, JOINED_BEFORE, "L.att.x_k"},
    {V7, JOINED_BEFORE, "L.att.x_v"},
    {V7, JOINED_BEFORE, "L.att.x_a"},
    {V7, JOINED_BEFORE, "L.att.x_g"},
    {V7, DROPPED, "blocks.0.att.v0"},
    {V7, DROPPED, "blocks.0.att.v1"},
    {V7, DROPPED, "blocks.0.att.v2"},
    {V7, VECTOR, "L.att.w0"},
    {V7, VECTOR, "L.att.a0"},
    {V7, VECTOR, "L.att.v0"},
    {V7, VECTOR, "L.att.k_k"},
    {V7, VECTOR, "L.att.k_a"},
    {V7, VECTOR, "L.att.r_k"},
    {V7, VECTOR, "L.ffn.x_k"},
    {V7, TRANSPOSED, "L.att.w1"},
    {V7, TRANSPOSED, "L.att.w2"},
    {V7, TRANSPOSED, "L.att.a1"},
    {V7, TRANSPOSED, "L.att.a2"},
    {V7, TRANSPOSED, "L.att.v1"},
    {V7, TRANSPOSED, "L.att.v2"},
    {V7, TRANSPOSED, "L.att.g1"},
    {V7, TRANSPOSED, "L.att.g2"},
};

typedef struct writing {
    wkv_writer *w;
    const wkv_store_out *what;
    int version;
    bool has_gate;
    int64_t heads;   /* 0: none */
    int value_shift; /* att.value is divided by two to this power */
} writing;

/* ---- what kind of model ------------------------------------------------------------------ */

static int64_t dim_of(const wkv_store_out *what, const char *name, int d)
{
    const wkv_tensor *t = wkv_store_out_find(what, name);
    return t != NULL && t->ndim > d ? t->dim[d] : 0;
}

static double epsilon_of(const wkv_store_out *what, const char *key, double otherwise)
{
    const wkv_meta *m = wkv_store_out_meta(what, key);
    return m != NULL ? wkv_number_parse(m->value, NULL) : otherwise;
}

static bool nearly(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* The norm of the heads does not see a common factor, if its epsilon is smaller by the
 * square of it. */
static wkv_status check_epsilons(writing *k, wkv_error *err)
{
    const double theirs = k->version == V5 ? 1e-5 : 64e-5;
    const double ln = epsilon_of(k->what, "wkv.ln_eps", 1e-5);
    const double gn = epsilon_of(k->what, "wkv.gn_eps", 64e-5);
    if (!nearly(ln, 1e-5))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the model's layer norm has an epsilon of %g; rwkv.cpp always takes 1e-05", ln);
    if (k->version == V4 || nearly(gn, theirs))
        return WKV_OK;
    k->value_shift = k->version == V5 && gn > 0 ? (int)lround(log2(gn / theirs) / 2) : 0;
    if (!nearly(gn, ldexp(theirs, 2 * k->value_shift)))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the model's group norm has an epsilon of %g; rwkv.cpp always takes %g here", gn,
                 theirs);
    return WKV_OK;
}

static wkv_status recognise(writing *k, wkv_error *err)
{
    const wkv_store_out *what = k->what;
    if (wkv_store_out_find(what, "emb.weight") == NULL ||
        wkv_store_out_find(what, "blocks.0.ffn.key.weight") == NULL ||
        wkv_store_out_find(what, "blocks.0.att.receptance.weight") == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "this is no RWKV model; rwkv.cpp's files hold no other");
    k->version = wkv_store_out_find(what, "blocks.0.att.r_k") != NULL           ? V7
                 : wkv_store_out_find(what, "blocks.0.att.time_maa_x") != NULL  ? V6
                 : wkv_store_out_find(what, "blocks.0.att.ln_x.weight") != NULL ? V5
                                                                                : V4;
    k->has_gate = wkv_store_out_find(what, "blocks.0.att.gate.weight") != NULL;
    if ((k->version & GATED) != 0) {
        k->heads = dim_of(what, "blocks.0.att.time_faaaa", 0);
        if (k->heads == 0)
            k->heads = dim_of(what, "blocks.0.att.time_first", 0);
    }
    return check_epsilons(k, err);
}

/* ---- names --------------------------------------------------------------------------------- */

/* What follows "blocks.N." in name, or NULL. */
static const char *after_layer(const char *name)
{
    if (strncmp(name, "blocks.", 7) != 0)
        return NULL;
    const char *p = name + 7 + strspn(name + 7, "0123456789");
    return p > name + 7 && *p == '.' ? p + 1 : NULL;
}

static const row *find_row(const writing *k, const char *name)
{
    const char *inside = after_layer(name);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const row *r = &rows[i];
        const bool layered = strncmp(r->name, "L.", 2) == 0;
        if ((r->versions & k->version) != 0 &&
            (layered ? inside != NULL && strcmp(r->name + 2, inside) == 0
                     : strcmp(r->name, name) == 0))
            return r;
    }
    return NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

static float decay_4(double raw)
{
    return (float)-exp(raw);
}

/* Short of 0 and 1, which would read as infinite. */
static float decay_5(double raw)
{
    const float w = (float)exp(-exp(raw));
    return w < FLT_MIN ? FLT_MIN : w > 1 - FLT_EPSILON / 2 ? 1 - FLT_EPSILON / 2 : w;
}

static float bonus_5(double raw)
{
    return (float)exp(raw);
}

/* t's elements, passed through f, in memory of the caller's to free. */
static wkv_status compute(wkv_tensor *t, float **out, float (*f)(double), wkv_error *err)
{
    const int64_t n = wkv_tensor_count(t);
    *out = wkv_malloc((size_t)n * sizeof **out);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for tensor '%s'", t->name);
    wkv_tensor_copy(*out, t, WKV_DTYPE_F32);
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = f((double)(*out)[i]);
    t->dtype = WKV_DTYPE_F32;
    t->data = (const uint8_t *)*out;
    wkv_tensor_set_strides(t);
    return WKV_OK;
}

/* [H, D, 1] of a contiguous tensor; D is 1 only in models without a gate: with one, a single
 * value a head is shown N times. */
static wkv_status show_heads(const writing *k, wkv_tensor *t, wkv_error *err)
{
    const int64_t count = wkv_tensor_count(t), H = k->heads;
    const int64_t width = dim_of(k->what, "emb.weight", 1);
    if (H <= 0 || count % H != 0 || !wkv_tensor_contiguous(t))
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' has %" PRId64 " elements for %" PRId64 " heads",
                 t->name, count, H);
    wkv_canon_reshape(t, 3, H, count / H, 1);
    if (k->has_gate && count == H) {
        t->dim[1] = width / H;
        t->stride[1] = 0;
    }
    return WKV_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Shape as in t, which has room for one dimension more in front. */
static wkv_status put_header(const writing *k, const char *name, const wkv_tensor *t,
                             wkv_dtype dtype, wkv_error *err)
{
    uint8_t head[12 + 4 * WKV_MAX_DIMS];
    const int number = wkv_rwkvcpp_dtype_number(dtype);
    if (number < 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "tensor '%s' is to be of type %s, which rwkv.cpp does not know", name,
                 wkv_dtype_of(dtype)->name);
    wkv_put_u32(head, (uint32_t)t->ndim);
    wkv_put_u32(head + 4, (uint32_t)strlen(name));
    wkv_put_u32(head + 8, (uint32_t)number);
    for (int d = 0; d < t->ndim; d++) {
        if (t->dim[t->ndim - 1 - d] > INT32_MAX)
            WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' is too large for this format", name);
        wkv_put_u32(head + 12 + 4 * d, (uint32_t)t->dim[t->ndim - 1 - d]);
    }
    WKV_TRY(wkv_writer_write(k->w, head, 12 + 4 * (size_t)t->ndim, err));
    return wkv_writer_write(k->w, name, strlen(name), err);
}

static wkv_status put(const writing *k, const char *name, const wkv_tensor *t, wkv_dtype dtype,
                      wkv_error *err)
{
    WKV_TRY(put_header(k, name, t, dtype, err));
    return wkv_store_stream_blocks(k->what, t, dtype, wkv_store_to_writer, k->w, err);
}

/* The type of a matrix: what is asked for or there, if the format knows it, else F32. */
static wkv_dtype matrix_dtype(const writing *k, const wkv_tensor *t)
{
    const wkv_dtype dtype = wkv_store_out_dtype_of_blocks(k->what, t);
    const bool asked = dtype != t->dtype;
    return asked || wkv_rwkvcpp_dtype_number(dtype) >= 0 ? dtype : WKV_DTYPE_F32;
}

static wkv_status put_joined(const writing *k, const wkv_tensor *first, wkv_error *err)
{
    static const char letters[] = "rwkvag";
    wkv_tensor part[MAX_PARTS], shape = *first;
    char name[NAME];
    const int stem = (int)strlen(first->name) - 1;
    for (int i = 0; i < MAX_PARTS; i++) {
        snprintf(name, sizeof name, "%.*s%c", stem, first->name, letters[i]);
        const wkv_tensor *t = wkv_store_out_find(k->what, name);
        if (t == NULL || wkv_tensor_count(t) != wkv_tensor_count(first))
            WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' is missing, or of another size than '%s'", name,
                     first->name);
        part[i] = *t;
    }
    wkv_canon_reshape(&shape, 3, MAX_PARTS, 1, wkv_tensor_count(first));
    snprintf(name, sizeof name, "%.*srwkvag", stem, first->name);
    WKV_TRY(put_header(k, name, &shape, WKV_DTYPE_F32, err));
    for (int i = 0; i < MAX_PARTS; i++)
        WKV_TRY(wkv_store_stream(k->what, &part[i], WKV_DTYPE_F32, wkv_store_to_writer, k->w, err));
    return WKV_OK;
}

/* att.value, contiguous, divided by a power of two; the copy is the caller's to free. */
static wkv_status divide(const writing *k, wkv_tensor *t, uint8_t **out, wkv_error *err)
{
    const wkv_dtype_info *info = wkv_dtype_of(t->dtype);
    const int64_t n = wkv_tensor_count(t) / info->block;
    *out = wkv_malloc((size_t)n * (size_t)info->bytes);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for tensor '%s'", t->name);
    wkv_tensor_copy(*out, t, t->dtype);
    for (int64_t i = 0; i < n; i++)
        wkv_block_scale(*out + i * info->bytes, t->dtype, ldexpf(1, -k->value_shift));
    t->data = *out;
    wkv_tensor_set_strides(t);
    return WKV_OK;
}

static wkv_status put_matrix(const writing *k, wkv_tensor t, wkv_error *err)
{
    uint8_t *copy = NULL;
    wkv_status status = WKV_OK;
    if (k->value_shift != 0 && wkv_ends_with(t.name, ".att.value.weight"))
        status = divide(k, &t, &copy, err);
    if (status == WKV_OK)
        status = put(k, t.name, &t, matrix_dtype(k, &t), err);
    wkv_free(copy);
    return status;
}

static wkv_status put_computed(const writing *k, wkv_tensor t, float (*f)(double), bool heads,
                               wkv_error *err)
{
    float *values = NULL;
    char name[NAME];
    snprintf(name, sizeof name, "%s", t.name);
    if (f == bonus_5 && k->has_gate)
        snprintf(name, sizeof name, "%.*stime_faaaa", (int)strlen(t.name) - 10, t.name);
    wkv_status status = compute(&t, &values, f, err);
    if (status == WKV_OK && heads)
        status = show_heads(k, &t, err);
    else
        wkv_canon_reshape(&t, 1, wkv_tensor_count(&t), 0, 0);
    if (status == WKV_OK)
        status = put(k, name, &t, WKV_DTYPE_F32, err);
    wkv_free(values);
    return status;
}

static wkv_status put_tensor(const writing *k, wkv_tensor t, form how, wkv_error *err)
{
    /* Of what is small the halves stay halves, where rwkv.cpp takes them; all else is F32. */
    const wkv_dtype low = t.dtype == WKV_DTYPE_F16 && k->version == V7 ? t.dtype : WKV_DTYPE_F32;
    switch (how) {
    case MATRIX:
        return put_matrix(k, t, err);
    case FLAT:
        if (!wkv_tensor_contiguous(&t))
            WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is not contiguous", t.name);
        wkv_canon_reshape(&t, 1, wkv_tensor_count(&t), 0, 0);
        break;
    case TRANSPOSED:
        if (t.ndim < 2 || wkv_dtype_of(t.dtype)->block > 1)
            WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' cannot be transposed", t.name);
        WKV_TRY(wkv_canon_transpose(NULL, &t, err)); /* a view, so no store is needed */
        return put(k, t.name, &t, low, err);
    case PER_HEAD:
        WKV_TRY(show_heads(k, &t, err));
        break;
    case DECAY_4:
        return put_computed(k, t, decay_4, false, err);
    case DECAY_5:
        return put_computed(k, t, decay_5, true, err);
    case BONUS_5:
        return put_computed(k, t, bonus_5, true, err);
    case JOINED:
        return put_joined(k, &t, err);
    case JOINED_BEFORE:
    case DROPPED:
        return WKV_OK;
    default:
        break;
    }
    return put(k, t.name, &t, WKV_DTYPE_F32, err);
}

static wkv_status put_all(const writing *k, wkv_error *err)
{
    const wkv_store_out *what = k->what;
    for (size_t i = 0; i < what->n_tensors; i++) {
        const wkv_tensor *t = &what->tensors[i];
        const row *r = find_row(k, t->name);
        if (r == NULL || !wkv_dtype_is_weight(t->dtype) || wkv_tensor_count(t) == 0 ||
            t->ndim == 0 || strlen(t->name) >= NAME - 8)
            WKV_FAIL(err, WKV_E_UNSUPPORTED,
                     "tensor '%s' has no place in rwkv.cpp's files for RWKV-%d", t->name,
                     k->version == V4   ? 4
                     : k->version == V5 ? 5
                     : k->version == V6 ? 6
                                        : 7);
        WKV_TRY(put_tensor(k, *t, r->form, err));
    }
    return WKV_OK;
}

static int64_t count_layers(const wkv_store_out *what)
{
    char name[NAME];
    int64_t n = 0;
    do
        snprintf(name, sizeof name, "blocks.%" PRId64 ".ln1.weight", n++);
    while (wkv_store_out_find(what, name) != NULL);
    return n - 1;
}

wkv_status wkv_rwkvcpp_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err)
{
    writing k = {.w = w, .what = what};
    WKV_TRY(recognise(&k, err));
    const wkv_tensor *typical = wkv_store_out_find(what, "blocks.0.ffn.key.weight");
    const int number = wkv_rwkvcpp_dtype_number(matrix_dtype(&k, typical));
    const uint32_t header[6] = {WKV_RWKVCPP_MAGIC,
                                VERSION,
                                (uint32_t)dim_of(what, "emb.weight", 0),
                                (uint32_t)dim_of(what, "emb.weight", 1),
                                (uint32_t)count_layers(what),
                                number >= 0 ? (uint32_t)number : 0};
    uint8_t bytes[WKV_RWKVCPP_HEADER];
    for (int i = 0; i < 6; i++)
        wkv_put_u32(bytes + 4 * i, header[i]);
    WKV_TRY(wkv_writer_write(w, bytes, sizeof bytes, err));
    return put_all(&k, err);
}
