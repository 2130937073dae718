/* store/gguf_names.c - the tensors of llama.cpp's files for RWKV-6 and 7, and what they are
 * in the canonical form: one table, read in both directions.
 *
 * Blocks keep their numbers ("blk.3." is "blocks.3."); parameters that are no linear
 * layer gained a ".weight"; vectors lost their dimensions of 1, low-rank factors are
 * transposed and the mixes joined.  Transposed and joined ones are shown as views. */
#include "store/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/blocks.h"
#include "base/mem.h"
#include "store/canon.h"
#include "store/names.h"

enum { V6 = 1, V7 = 2, BOTH = V6 | V7 };

typedef enum form {
    SAME,
    REALS,            /* the same, but of the recurrence, not of a product: F32 in the file */
    VECTOR,           /* [C] for [1, 1, C] */
    HEADS,            /* [C] for [H, N] */
    TRANSPOSED,       /* the last two dimensions; in the file F32, or 16 bits where it has them */
    TRANSPOSED_REALS, /* the same, but always F32 in the file */
    JOINED,           /* several vectors: `to` is the stem of their names */
    RESCALED          /* divided by two to the power of layer / rescale_every_n_layers */
} form;

typedef struct row {
    int versions;
    form form;
    const char *from, *to;
} row;

static const row outside[] = {
    {BOTH, SAME, "token_embd.weight", "emb.weight"},
    {BOTH, SAME, "token_embd_norm.weight", "blocks.0.ln0.weight"},
    {BOTH, SAME, "token_embd_norm.bias", "blocks.0.ln0.bias"},
    {BOTH, SAME, "output_norm.weight", "ln_out.weight"},
    {BOTH, SAME, "output_norm.bias", "ln_out.bias"},
    {BOTH, SAME, "output.weight", "head.weight"},
};

/* A joined row stands before those of its parts, which are only read. */
static const row inside[] = {
    {BOTH, SAME, "attn_norm.weight", "ln1.weight"},
    {BOTH, SAME, "attn_norm.bias", "ln1.bias"},
    {BOTH, SAME, "attn_norm_2.weight", "ln2.weight"},
    {BOTH, SAME, "attn_norm_2.bias", "ln2.bias"},
    {BOTH, SAME, "time_mix_ln.weight", "att.ln_x.weight"},
    {BOTH, SAME, "time_mix_ln.bias", "att.ln_x.bias"},
    {BOTH, SAME, "time_mix_receptance.weight", "att.receptance.weight"},
    {BOTH, SAME, "time_mix_key.weight", "att.key.weight"},
    {BOTH, SAME, "time_mix_value.weight", "att.value.weight"},
    {BOTH, RESCALED, "time_mix_output.weight", "att.output.weight"},
    {BOTH, SAME, "channel_mix_key.weight", "ffn.key.weight"},
    {BOTH, RESCALED, "channel_mix_value.weight", "ffn.value.weight"},
    {V6, SAME, "channel_mix_receptance.weight", "ffn.receptance.weight"},
    {V6, VECTOR, "channel_mix_lerp_k.weight", "ffn.time_maa_k"},
    {V6, VECTOR, "channel_mix_lerp_r.weight", "ffn.time_maa_r"},
    {V6, SAME, "time_mix_gate.weight", "att.gate.weight"},
    {V6, JOINED, "time_mix_lerp_fused.weight", "att.time_maa_"},
    {V6, VECTOR, "time_mix_lerp_x.weight", "att.time_maa_x"},
    {V6, VECTOR, "time_mix_lerp_w.weight", "att.time_maa_w"},
    {V6, VECTOR, "time_mix_lerp_k.weight", "att.time_maa_k"},
    {V6, VECTOR, "time_mix_lerp_v.weight", "att.time_maa_v"},
    {V6, VECTOR, "time_mix_lerp_r.weight", "att.time_maa_r"},
    {V6, VECTOR, "time_mix_lerp_g.weight", "att.time_maa_g"},
    {V6, TRANSPOSED_REALS, "time_mix_w1.weight", "att.time_maa_w1"},
    {V6, TRANSPOSED_REALS, "time_mix_w2.weight", "att.time_maa_w2"},
    {V6, REALS, "time_mix_first.weight", "att.time_faaaa"},
    {V6, VECTOR, "time_mix_decay.weight", "att.time_decay"},
    {V6, TRANSPOSED_REALS, "time_mix_decay_w1.weight", "att.time_decay_w1"},
    {V6, TRANSPOSED_REALS, "time_mix_decay_w2.weight", "att.time_decay_w2"},
    {V7, VECTOR, "channel_mix_lerp_k.weight", "ffn.x_k"},
    {V7, JOINED, "time_mix_lerp_fused.weight", "att.x_"},
    {V7, VECTOR, "time_mix_w0.weight", "att.w0"},
    {V7, TRANSPOSED_REALS, "time_mix_w1.weight", "att.w1"},
    {V7, TRANSPOSED_REALS, "time_mix_w2.weight", "att.w2"},
    {V7, VECTOR, "time_mix_a0.weight", "att.a0"},
    {V7, TRANSPOSED, "time_mix_a1.weight", "att.a1"},
    {V7, TRANSPOSED, "time_mix_a2.weight", "att.a2"},
    {V7, VECTOR, "time_mix_v0.weight", "att.v0"},
    {V7, TRANSPOSED, "time_mix_v1.weight", "att.v1"},
    {V7, TRANSPOSED, "time_mix_v2.weight", "att.v2"},
    {V7, TRANSPOSED, "time_mix_g1.weight", "att.g1"},
    {V7, TRANSPOSED, "time_mix_g2.weight", "att.g2"},
    {V7, VECTOR, "time_mix_k_k.weight", "att.k_k"},
    {V7, VECTOR, "time_mix_k_a.weight", "att.k_a"},
    {V7, HEADS, "time_mix_r_k.weight", "att.r_k"},
};

/* What the metadata say that the tensors alone do not. */
typedef struct model {
    int version;
    uint64_t head_size;     /* 0 when not said */
    uint64_t rescale_every; /* 0: never */
} model;

static const row *find_row(const row *rows, size_t n, int version, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if ((rows[i].versions & version) != 0 && strcmp(rows[i].from, name) == 0)
            return &rows[i];
    return NULL;
}

/* The row of a tensor's name and the layer in it, or NULL.  *digits is how long the
 * number is. */
static const row *recognise(const model *m, const char *name, uint64_t *layer, size_t *digits)
{
    *layer = 0;
    if (strncmp(name, "blk.", 4) != 0)
        return find_row(outside, sizeof outside / sizeof outside[0], m->version, name);
    *digits = wkv_names_number(name + 4, layer);
    if (*digits == 0 || name[4 + *digits] != '.')
        return NULL;
    return find_row(inside, sizeof inside / sizeof inside[0], m->version, name + 5 + *digits);
}

/* A power of two changes no digit of a number, and of a block only its scales. */
static wkv_status multiply(wkv_store *s, wkv_tensor *t, int exponent, wkv_error *err)
{
    const wkv_dtype_info *info = wkv_dtype_of(t->dtype);
    const float factor = ldexpf(1.0f, exponent);
    const size_t n = (size_t)(wkv_tensor_count(t) / info->block);
    uint8_t *copy = wkv_store_alloc(s, n * (size_t)info->bytes);
    if (copy == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for tensor '%s'", t->name);
    memcpy(copy, t->data, n * (size_t)info->bytes);
    t->data = copy;
    for (size_t i = 0; i < n; i++, copy += info->bytes)
        wkv_block_scale(copy, t->dtype, factor);
    return WKV_OK;
}

static wkv_status add_joined(const wkv_gguf *g, const model *m, const wkv_tensor *t, wkv_error *err)
{
    /* Models without a gate lack its mix, the last. */
    const bool gate = t->dim[0] == 6;
    return wkv_canon_add_split(g->store, t, t->name,
                               m->version == V6 ? "wkvrg"
                               : gate           ? "rwkvag"
                                                : "rwkva",
                               err);
}

static wkv_status add_known(const wkv_gguf *g, const model *m, const row *r, uint64_t layer,
                            wkv_tensor *t, wkv_error *err)
{
    const int64_t count = wkv_tensor_count(t);
    switch (r->form) {
    case SAME:
    case REALS:
        break;
    case VECTOR:
        wkv_canon_reshape(t, 3, 1, 1, count);
        break;
    case HEADS:
        if (m->head_size > 0 && (uint64_t)count % m->head_size == 0)
            wkv_canon_reshape(t, 2, count / (int64_t)m->head_size, (int64_t)m->head_size, 0);
        break;
    case TRANSPOSED:
    case TRANSPOSED_REALS:
        WKV_TRY(wkv_canon_transpose(g->store, t, err));
        break;
    case JOINED:
        return add_joined(g, m, t, err);
    case RESCALED:
        if (m->rescale_every > 0 && layer >= m->rescale_every && wkv_dtype_is_weight(t->dtype))
            WKV_TRY(multiply(g->store, t, (int)(layer / m->rescale_every), err));
        break;
    }
    return wkv_store_add(g->store, t, err);
}

static wkv_status add_tensor(const wkv_gguf *g, const model *m, const wkv_tensor *raw,
                             wkv_error *err)
{
    uint64_t layer;
    size_t digits = 0;
    const row *r = m->version != 0 ? recognise(m, raw->name, &layer, &digits) : NULL;
    if (r == NULL)
        return wkv_store_add(g->store, raw, err);
    /* The first layer has no use for these; llama.cpp's converter fills them with copies. */
    if (m->version == V7 && layer == 0 && strncmp(r->to, "att.v", 5) == 0 && r->form != SAME)
        return WKV_OK;
    wkv_tensor t = *raw;
    t.name = wkv_names_canonical(g->store, raw->name + 4, digits, r->to);
    if (t.name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the name of a tensor");
    return add_known(g, m, r, layer, &t, err);
}

wkv_status wkv_gguf_add_tensors(const wkv_gguf *g, wkv_error *err)
{
    model m = {.version = wkv_gguf_is(g, "rwkv6") ? V6 : wkv_gguf_is(g, "rwkv7") ? V7 : 0};
    if (m.version == V6) {
        WKV_TRY(wkv_gguf_natural(g, "rwkv6.wkv.head_size", &m.head_size, err));
        WKV_TRY(wkv_gguf_natural(g, "rwkv6.rescale_every_n_layers", &m.rescale_every, err));
    } else if (m.version == V7) {
        WKV_TRY(wkv_gguf_natural(g, "rwkv7.wkv.head_size", &m.head_size, err));
    }
    for (size_t i = 0; i < g->n_raw; i++)
        WKV_TRY(add_tensor(g, &m, &g->raw[i], err));
    return WKV_OK;
}

/* ---- the other direction -------------------------------------------------------------------- */

static const char *letters_of(int version)
{
    return version == V6 ? "wkvrg" : "rwkvag";
}

/* True when `name` is what the row makes of a tensor, or one of what it makes. */
static bool makes(const row *r, int version, const char *name)
{
    if ((r->versions & version) == 0)
        return false;
    if (r->form != JOINED)
        return strcmp(r->to, name) == 0;
    const size_t n = strlen(r->to);
    return strncmp(r->to, name, n) == 0 && name[n] != '\0' && name[n + 1] == '\0' &&
           strchr(letters_of(version), name[n]) != NULL;
}

static const row *find_maker(const row *rows, size_t n, int version, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (makes(&rows[i], version, name))
            return &rows[i];
    return NULL;
}

/* The row that makes the tensor called name; *digits is how long the layer's number is,
 * 0 outside the blocks. */
static const row *recognise_canonical(int version, const char *name, size_t *digits)
{
    *digits = 0;
    const row *r = find_maker(outside, sizeof outside / sizeof outside[0], version, name);
    if (r != NULL || strncmp(name, "blocks.", 7) != 0)
        return r;
    *digits = strspn(name + 7, "0123456789");
    if (*digits == 0 || *digits > 6 || name[7 + *digits] != '.')
        return NULL;
    return find_maker(inside, sizeof inside / sizeof inside[0], version, name + 8 + *digits);
}

static void flatten(wkv_gguf_entry *e)
{
    e->dim[0] = wkv_tensor_count(&e->part[0]);
    e->ndim = 1;
}

static wkv_status turn(wkv_gguf_entry *e, wkv_error *err)
{
    wkv_tensor *t = &e->part[0];
    if (t->ndim < 2 || wkv_dtype_of(t->dtype)->block > 1)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' cannot be transposed", t->name);
    WKV_TRY(wkv_canon_transpose(NULL, t, err)); /* a view, so no store is needed */
    for (int d = 0; d < t->ndim; d++)
        e->dim[d] = t->dim[d];
    return WKV_OK;
}

/* Gathers the parts, of which the first is there already. */
static wkv_status join(wkv_gguf_entry *e, const wkv_gguf_source *src, int version, wkv_error *err)
{
    const wkv_tensor *first = &e->part[0];
    const char *letters = letters_of(version);
    const size_t stem = strlen(first->name) - 1;
    char name[64];
    for (e->n_parts = 1; letters[e->n_parts] != '\0'; e->n_parts++) {
        memcpy(name, first->name, stem);
        name[stem] = letters[e->n_parts];
        name[stem + 1] = '\0';
        const wkv_tensor *t = wkv_gguf_source_find(src, name);
        if (t == NULL && version == V7 && letters[e->n_parts] == 'g')
            break;
        if (t == NULL || wkv_tensor_count(t) != wkv_tensor_count(first))
            WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' is missing, or of another size than '%s'", name,
                     first->name);
        e->part[e->n_parts] = *t;
    }
    e->ndim = 4;
    e->dim[0] = e->n_parts;
    e->dim[1] = e->dim[2] = 1;
    e->dim[3] = wkv_tensor_count(first);
    return WKV_OK;
}

/* What e->part[0], called so by the row r, is in the file.  *skip when it goes into the
 * file with the first of its row. */
static wkv_status describe(wkv_gguf_entry *e, const wkv_gguf_source *src, int version, const row *r,
                           bool *skip, wkv_error *err)
{
    const char *name = e->part[0].name;
    const bool plain = r->form == SAME || r->form == RESCALED;
    const bool halves = e->dtype == WKV_DTYPE_F16 || e->dtype == WKV_DTYPE_BF16;
    const bool keeps = plain || (r->form == TRANSPOSED && halves);
    if (!keeps || !wkv_tensor_is_matrix(&e->part[0]))
        e->dtype = WKV_DTYPE_F32;
    switch (r->form) {
    case VECTOR:
    case HEADS:
        flatten(e);
        break;
    case TRANSPOSED:
    case TRANSPOSED_REALS:
        return turn(e, err);
    case JOINED:
        *skip = name[strlen(name) - 1] != letters_of(version)[0];
        return *skip ? WKV_OK : join(e, src, version, err);
    default:
        break;
    }
    return WKV_OK;
}

static wkv_status start_entry(wkv_gguf_entry *e, const wkv_gguf_source *src, const wkv_tensor *t,
                              wkv_error *err)
{
    *e = (wkv_gguf_entry){.name = t->name, .ndim = t->ndim, .n_parts = 1};
    e->dtype = wkv_store_out_dtype_of_blocks(src->what, t);
    e->part[0] = *t;
    if (t->ndim > WKV_GGUF_MAX_DIMS || wkv_tensor_count(t) == 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "tensor '%s' has more than %d dimensions or no elements, which GGUF cannot hold",
                 t->name, WKV_GGUF_MAX_DIMS);
    for (int d = 0; d < t->ndim; d++)
        e->dim[d] = t->dim[d];
    return WKV_OK;
}

/* Whether all joined tensors are there is seen at the first of them. */
static wkv_status check_first(const wkv_gguf_source *src, const char *name, int version,
                              wkv_error *err)
{
    char first[64];
    snprintf(first, sizeof first, "%.*s%c", (int)strlen(name) - 1, name, letters_of(version)[0]);
    if (wkv_gguf_source_find(src, first) == NULL)
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' is missing beside '%s'", first, name);
    return WKV_OK;
}

static wkv_status add_entry(wkv_gguf_entry *list, size_t *n, const wkv_gguf_source *src,
                            int version, const wkv_tensor *t, wkv_error *err)
{
    wkv_gguf_entry *e = &list[*n];
    size_t digits = 0;
    bool skip = false;
    WKV_TRY(start_entry(e, src, t, err));
    if (version != 0 && wkv_ends_with(t->name, ".att.time_state"))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "tensor '%s' is an initial state, which GGUF has no place for: leave it out",
                 t->name);
    const row *r = version != 0 ? recognise_canonical(version, t->name, &digits) : NULL;
    if (r != NULL) {
        snprintf(e->known, sizeof e->known, digits > 0 ? "blk.%.*s.%s" : "%.*s%s", (int)digits,
                 digits > 0 ? t->name + 7 : "", r->from);
        e->name = e->known;
        WKV_TRY(describe(e, src, version, r, &skip, err));
        if (skip)
            return check_first(src, t->name, version, err);
    }
    (*n)++;
    return WKV_OK;
}

/* The first layer of RWKV-7 has no use for v0, v1 and v2, but llama.cpp asks for them, in
 * the shapes of a0, a1 and a2: copies of these stand there. */
static void add_unused(wkv_gguf_entry *list, size_t *n)
{
    static const char prefix[] = "blk.0.time_mix_a";
    const size_t length = strlen(prefix);
    for (size_t i = 0, end = *n; i < end; i++) {
        if (strncmp(list[i].name, prefix, length) != 0 || list[i].name != list[i].known)
            continue;
        list[*n] = list[i];
        list[*n].known[length - 1] = 'v';
        list[*n].name = list[*n].known;
        (*n)++;
    }
}

wkv_status wkv_gguf_entries(wkv_gguf_entry **out, size_t *n, const wkv_gguf_source *src,
                            wkv_error *err)
{
    enum { UNUSED = 3 };
    const wkv_store_out *what = src->what;
    const int version = src->arch == NULL ? 0 : strcmp(src->arch, "rwkv7") == 0 ? V7 : V6;
    *n = 0;
    *out = wkv_calloc(what->n_tensors + UNUSED, sizeof **out);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    for (size_t i = 0; i < what->n_tensors; i++)
        if (version != V7 || !wkv_canon_unused(what->tensors[i].name))
            WKV_TRY(add_entry(*out, n, src, version, &what->tensors[i], err));
    if (version == V7)
        add_unused(*out, n);
    return WKV_OK;
}
