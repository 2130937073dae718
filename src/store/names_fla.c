/* store/names_fla.c - the names of flash-linear-attention for RWKV-7 (RWKV7ForCausalLM).
 *
 * Its low-rank products are pairs of linear layers, so their factors lie transposed and
 * their bases are a bias.  Files of its first months have the six mixes of a layer in one
 * tensor, x_x. */
#include "store/names.h"

static const wkv_name_row once[] = {
    {WKV_NAME_SAME, "embeddings.weight", "emb.weight"},
    {WKV_NAME_SAME, "norm.weight", "ln_out.weight"},
    {WKV_NAME_SAME, "norm.bias", "ln_out.bias"},
    {WKV_NAME_SAME, "lm_head.weight", "head.weight"},
};

static const wkv_name_row layer[] = {
    {WKV_NAME_SAME, "pre_norm.weight", "ln0.weight"},
    {WKV_NAME_SAME, "pre_norm.bias", "ln0.bias"},
    {WKV_NAME_SAME, "attn_norm.weight", "ln1.weight"},
    {WKV_NAME_SAME, "attn_norm.bias", "ln1.bias"},
    {WKV_NAME_SAME, "ffn_norm.weight", "ln2.weight"},
    {WKV_NAME_SAME, "ffn_norm.bias", "ln2.bias"},
    {WKV_NAME_STACKED, "attn.x_x", "att.x_"},
    {WKV_NAME_ROW, "attn.x_r", "att.x_r"},
    {WKV_NAME_ROW, "attn.x_w", "att.x_w"},
    {WKV_NAME_ROW, "attn.x_k", "att.x_k"},
    {WKV_NAME_ROW, "attn.x_v", "att.x_v"},
    {WKV_NAME_ROW, "attn.x_a", "att.x_a"},
    {WKV_NAME_ROW, "attn.x_g", "att.x_g"},
    {WKV_NAME_VECTOR, "attn.w_lora.lora.2.bias", "att.w0"},
    {WKV_NAME_TRANSPOSED, "attn.w_lora.lora.0.weight", "att.w1"},
    {WKV_NAME_TRANSPOSED, "attn.w_lora.lora.2.weight", "att.w2"},
    {WKV_NAME_VECTOR, "attn.a_lora.lora.2.bias", "att.a0"},
    {WKV_NAME_TRANSPOSED, "attn.a_lora.lora.0.weight", "att.a1"},
    {WKV_NAME_TRANSPOSED, "attn.a_lora.lora.2.weight", "att.a2"},
    {WKV_NAME_VECTOR, "attn.v_lora.lora.2.bias", "att.v0"},
    {WKV_NAME_TRANSPOSED, "attn.v_lora.lora.0.weight", "att.v1"},
    {WKV_NAME_TRANSPOSED, "attn.v_lora.lora.2.weight", "att.v2"},
    {WKV_NAME_TRANSPOSED, "attn.g_lora.lora.0.weight", "att.g1"},
    {WKV_NAME_TRANSPOSED, "attn.g_lora.lora.2.weight", "att.g2"},
    {WKV_NAME_VECTOR, "attn.k_k", "att.k_k"},
    {WKV_NAME_VECTOR, "attn.k_a", "att.k_a"},
    {WKV_NAME_SAME, "attn.r_k", "att.r_k"},
    {WKV_NAME_SAME, "attn.r_proj.weight", "att.receptance.weight"},
    {WKV_NAME_SAME, "attn.k_proj.weight", "att.key.weight"},
    {WKV_NAME_SAME, "attn.v_proj.weight", "att.value.weight"},
    {WKV_NAME_SAME, "attn.o_proj.weight", "att.output.weight"},
    {WKV_NAME_SAME, "attn.g_norm.weight", "att.ln_x.weight"},
    {WKV_NAME_SAME, "attn.g_norm.bias", "att.ln_x.bias"},
    {WKV_NAME_VECTOR, "ffn.x_k", "ffn.x_k"},
    {WKV_NAME_SAME, "ffn.key.weight", "ffn.key.weight"},
    {WKV_NAME_SAME, "ffn.value.weight", "ffn.value.weight"},
};

static bool is(const wkv_store *s)
{
    return wkv_store_find(s, "model.layers.0.attn.w_lora.lora.0.weight") != NULL ||
           wkv_store_find(s, "layers.0.attn.w_lora.lora.0.weight") != NULL;
}

const wkv_name_scheme wkv_names_fla = {
    .name = "flash-linear-attention",
    .prefix = "model.",
    .bare = "lm_head.weight",
    .blocks = "layers.",
    .letters = "rwkvag",
    .once = once,
    .n_once = sizeof once / sizeof once[0],
    .layer = layer,
    .n_layer = sizeof layer / sizeof layer[0],
    .is = is,
};
