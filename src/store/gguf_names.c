/* store/gguf_names.c - the tensors of llama.cpp's files for RWKV-6 and 7, and what they are
 * in the canonical form: one table, read in one direction here.
 *
 * Blocks keep their numbers ("blk.3." is "blocks.3."); parameters that are no linear
 * layer gained a ".weight"; vectors lost their dimensions of 1, low-rank factors are
 * transposed and the mixes joined.  Transposed and joined ones are shown as views. */
#include "store/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/blocks.h"
#include "store/canon.h"

enum { V6 = 1, V7 = 2, BOTH = V6 | V7 };

typedef enum form {
    SAME,
    VECTOR,     /* [C] for [1, 1, C] */
    HEADS,      /* [C] for [H, N] */
    TRANSPOSED, /* the last two dimensions */
    JOINED,     /* several vectors: `to` is the stem of their names */
    RESCALED    /* divided by two to the power of layer / rescale_every_n_layers */
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
    {V6, VECTOR, "time_mix_lerp_x.weight", "att.time_maa_x"},
    {V6, VECTOR, "time_mix_lerp_w.weight", "att.time_maa_w"},
    {V6, VECTOR, "time_mix_lerp_k.weight", "att.time_maa_k"},
    {V6, VECTOR, "time_mix_lerp_v.weight", "att.time_maa_v"},
    {V6, VECTOR, "time_mix_lerp_r.weight", "att.time_maa_r"},
    {V6, VECTOR, "time_mix_lerp_g.weight", "att.time_maa_g"},
    {V6, JOINED, "time_mix_lerp_fused.weight", "att.time_maa_"},
    {V6, TRANSPOSED, "time_mix_w1.weight", "att.time_maa_w1"},
    {V6, TRANSPOSED, "time_mix_w2.weight", "att.time_maa_w2"},
    {V6, SAME, "time_mix_first.weight", "att.time_faaaa"},
    {V6, VECTOR, "time_mix_decay.weight", "att.time_decay"},
    {V6, TRANSPOSED, "time_mix_decay_w1.weight", "att.time_decay_w1"},
    {V6, TRANSPOSED, "time_mix_decay_w2.weight", "att.time_decay_w2"},
    {V7, VECTOR, "channel_mix_lerp_k.weight", "ffn.x_k"},
    {V7, JOINED, "time_mix_lerp_fused.weight", "att.x_"},
    {V7, VECTOR, "time_mix_w0.weight", "att.w0"},
    {V7, TRANSPOSED, "time_mix_w1.weight", "att.w1"},
    {V7, TRANSPOSED, "time_mix_w2.weight", "att.w2"},
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
    *digits = strspn(name + 4, "0123456789");
    if (*digits == 0 || *digits > 6 || name[4 + *digits] != '.')
        return NULL;
    for (size_t i = 0; i < *digits; i++)
        *layer = *layer * 10 + (uint64_t)(name[4 + i] - '0');
    return find_row(inside, sizeof inside / sizeof inside[0], m->version, name + 5 + *digits);
}

static const char *canonical_name(wkv_store *s, const row *r, const char *name, size_t digits)
{
    static const char blocks[] = "blocks.";
    if (strncmp(name, "blk.", 4) != 0)
        return r->to;
    const size_t stem = strlen(blocks), to = strlen(r->to);
    char *out = wkv_store_alloc(s, stem + digits + 1 + to + 1);
    if (out == NULL)
        return NULL;
    memcpy(out, blocks, stem);
    memcpy(out + stem, name + 4, digits);
    out[stem + digits] = '.';
    memcpy(out + stem + digits + 1, r->to, to + 1);
    return out;
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
        break;
    case VECTOR:
        wkv_canon_reshape(t, 3, 1, 1, count);
        break;
    case HEADS:
        if (m->head_size > 0 && (uint64_t)count % m->head_size == 0)
            wkv_canon_reshape(t, 2, count / (int64_t)m->head_size, (int64_t)m->head_size, 0);
        break;
    case TRANSPOSED:
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
    t.name = canonical_name(g->store, r, raw->name, digits);
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
