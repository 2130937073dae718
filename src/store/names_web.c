/* store/names_web.c - what web-rwkv and Ai00 make of a .pth for their .st files: some names
 * replaced, low-rank factors transposed, everything in f16.
 *
 * Most names are RWKV-LM's own, so that these files are told from a plain safetensors by
 * the few that are not, RWKV-7 by the orientation of its factors. */
#include "store/names.h"

#include <string.h>

#include "store/canon.h"

static const wkv_name_row v5[] = {
    {WKV_NAME_SAME, "att.time_first", "att.time_faaaa"},
};

static const wkv_name_row v6[] = {
    {WKV_NAME_SAME, "att.time_first", "att.time_faaaa"},
    {WKV_NAME_ROW, "att.time_mix_x", "att.time_maa_x"},
    {WKV_NAME_ROW, "att.time_mix_w", "att.time_maa_w"},
    {WKV_NAME_ROW, "att.time_mix_k", "att.time_maa_k"},
    {WKV_NAME_ROW, "att.time_mix_v", "att.time_maa_v"},
    {WKV_NAME_ROW, "att.time_mix_r", "att.time_maa_r"},
    {WKV_NAME_ROW, "att.time_mix_g", "att.time_maa_g"},
    {WKV_NAME_ROW, "ffn.time_mix_k", "ffn.time_maa_k"},
    {WKV_NAME_ROW, "ffn.time_mix_r", "ffn.time_maa_r"},
    {WKV_NAME_TRANSPOSED, "att.time_mix_w1", "att.time_maa_w1"},
    {WKV_NAME_TRANSPOSED, "att.time_mix_w2", "att.time_maa_w2"},
    {WKV_NAME_TRANSPOSED, "att.time_decay_w1", "att.time_decay_w1"},
    {WKV_NAME_TRANSPOSED, "att.time_decay_w2", "att.time_decay_w2"},
};

static const wkv_name_row v7[] = {
    {WKV_NAME_TRANSPOSED, "att.w1", "att.w1"}, {WKV_NAME_TRANSPOSED, "att.w2", "att.w2"},
    {WKV_NAME_TRANSPOSED, "att.a1", "att.a1"}, {WKV_NAME_TRANSPOSED, "att.a2", "att.a2"},
    {WKV_NAME_TRANSPOSED, "att.v1", "att.v1"}, {WKV_NAME_TRANSPOSED, "att.v2", "att.v2"},
    {WKV_NAME_TRANSPOSED, "att.g1", "att.g1"}, {WKV_NAME_TRANSPOSED, "att.g2", "att.g2"},
};

static const wkv_name_row lora[] = {
    {WKV_NAME_TRANSPOSED, "att.receptance.lora.0", "att.receptance.lora_A"},
    {WKV_NAME_SAME, "att.receptance.lora.1", "att.receptance.lora_B"},
    {WKV_NAME_TRANSPOSED, "att.key.lora.0", "att.key.lora_A"},
    {WKV_NAME_SAME, "att.key.lora.1", "att.key.lora_B"},
    {WKV_NAME_TRANSPOSED, "att.value.lora.0", "att.value.lora_A"},
    {WKV_NAME_SAME, "att.value.lora.1", "att.value.lora_B"},
    {WKV_NAME_TRANSPOSED, "att.gate.lora.0", "att.gate.lora_A"},
    {WKV_NAME_SAME, "att.gate.lora.1", "att.gate.lora_B"},
    {WKV_NAME_TRANSPOSED, "att.output.lora.0", "att.output.lora_A"},
    {WKV_NAME_SAME, "att.output.lora.1", "att.output.lora_B"},
    {WKV_NAME_TRANSPOSED, "ffn.receptance.lora.0", "ffn.receptance.lora_A"},
    {WKV_NAME_SAME, "ffn.receptance.lora.1", "ffn.receptance.lora_B"},
    {WKV_NAME_TRANSPOSED, "ffn.key.lora.0", "ffn.key.lora_A"},
    {WKV_NAME_SAME, "ffn.key.lora.1", "ffn.key.lora_B"},
    {WKV_NAME_TRANSPOSED, "ffn.value.lora.0", "ffn.value.lora_A"},
    {WKV_NAME_SAME, "ffn.value.lora.1", "ffn.value.lora_B"},
};

static const wkv_name_row state[] = {
    {WKV_NAME_TRANSPOSED, "att.time_state", "att.time_state"},
};

/* A bonus that RWKV-LM calls so has one number a head. */
static bool is5(const wkv_store *s)
{
    const wkv_tensor *t = wkv_store_find(s, "blocks.0.att.time_first");
    return t != NULL && t->ndim == 2 && t->dim[1] > 1 &&
           wkv_store_find(s, "blocks.0.att.gate.weight") != NULL &&
           wkv_store_find(s, "blocks.0.att.ln_x.weight") != NULL;
}

static bool is6(const wkv_store *s)
{
    return wkv_store_find(s, "blocks.0.att.time_mix_w1") != NULL;
}

/* True when `name` is [R, C] where [C, R] is canonical. */
static bool lies_across(const wkv_store *s, const char *name, int64_t width)
{
    const wkv_tensor *t = wkv_store_find(s, name);
    return t != NULL && t->ndim == 2 && t->dim[1] == width && t->dim[0] != width;
}

/* One factor that is square says nothing; all being so does not occur. */
static bool is7(const wkv_store *s)
{
    const wkv_tensor *emb = wkv_store_find(s, "emb.weight");
    if (emb == NULL || emb->ndim != 2 || wkv_store_find(s, "blocks.0.att.r_k") == NULL)
        return false;
    return lies_across(s, "blocks.0.att.w1", emb->dim[1]) ||
           lies_across(s, "blocks.0.att.a1", emb->dim[1]) ||
           lies_across(s, "blocks.0.att.g1", emb->dim[1]);
}

static bool is_lora(const wkv_store *s)
{
    for (size_t i = 0; i < wkv_store_count(s); i++)
        if (wkv_ends_with(wkv_store_at(s, i)->name, ".lora.0"))
            return true;
    return false;
}

/* The trainers write these as .pth and never as f16. */
static bool is_state(const wkv_store *s)
{
    for (size_t i = 0; i < wkv_store_count(s); i++)
        if (!wkv_ends_with(wkv_store_at(s, i)->name, ".att.time_state") ||
            wkv_store_at(s, i)->dtype != WKV_DTYPE_F16)
            return false;
    return wkv_store_count(s) > 0 && strcmp(wkv_store_format(s), "safetensors") == 0 &&
           wkv_store_meta(s, "wkv.kind") == NULL; /* ours may be of any type */
}

#define WEB(rows, predicate) \
    { \
        .name = "web-rwkv", .prefix = "", .blocks = "blocks.", .layer = rows, \
        .n_layer = sizeof rows / sizeof rows[0], .is = predicate \
    }

const wkv_name_scheme wkv_names_web5 = WEB(v5, is5);
const wkv_name_scheme wkv_names_web6 = WEB(v6, is6);
const wkv_name_scheme wkv_names_web7 = WEB(v7, is7);
const wkv_name_scheme wkv_names_web_lora = WEB(lora, is_lora);
const wkv_name_scheme wkv_names_web_state = WEB(state, is_state);
