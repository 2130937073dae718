/* store/names_hf.c - the names of Hugging Face transformers for RWKV-4 (RwkvForCausalLM), which
 * the remote code of the RWKV-5 and 6 repositories took over and went on with. */
#include "store/names.h"

static const wkv_name_row once[] = {
    {WKV_NAME_SAME, "embeddings.weight", "emb.weight"},
    {WKV_NAME_SAME, "ln_out.weight", "ln_out.weight"},
    {WKV_NAME_SAME, "ln_out.bias", "ln_out.bias"},
    {WKV_NAME_SAME, "head.weight", "head.weight"},
};

static const wkv_name_row layer[] = {
    {WKV_NAME_SAME, "pre_ln.weight", "ln0.weight"},
    {WKV_NAME_SAME, "pre_ln.bias", "ln0.bias"},
    {WKV_NAME_SAME, "ln1.weight", "ln1.weight"},
    {WKV_NAME_SAME, "ln1.bias", "ln1.bias"},
    {WKV_NAME_SAME, "ln2.weight", "ln2.weight"},
    {WKV_NAME_SAME, "ln2.bias", "ln2.bias"},
    {WKV_NAME_SAME, "attention.time_decay", "att.time_decay"},
    {WKV_NAME_SAME, "attention.time_first", "att.time_first"},
    {WKV_NAME_ROW, "attention.time_mix_key", "att.time_mix_k"},
    {WKV_NAME_ROW, "attention.time_mix_value", "att.time_mix_v"},
    {WKV_NAME_ROW, "attention.time_mix_receptance", "att.time_mix_r"},
    {WKV_NAME_ROW, "attention.time_mix_gate", "att.time_mix_g"},
    {WKV_NAME_SAME, "attention.key.weight", "att.key.weight"},
    {WKV_NAME_SAME, "attention.value.weight", "att.value.weight"},
    {WKV_NAME_SAME, "attention.receptance.weight", "att.receptance.weight"},
    {WKV_NAME_SAME, "attention.gate.weight", "att.gate.weight"},
    {WKV_NAME_SAME, "attention.output.weight", "att.output.weight"},
    {WKV_NAME_SAME, "attention.ln_x.weight", "att.ln_x.weight"},
    {WKV_NAME_SAME, "attention.ln_x.bias", "att.ln_x.bias"},
    {WKV_NAME_SAME, "attention.time_faaaa", "att.time_faaaa"},
    {WKV_NAME_ROW, "attention.time_maa_x", "att.time_maa_x"},
    {WKV_NAME_ROW, "attention.time_maa_w", "att.time_maa_w"},
    {WKV_NAME_ROW, "attention.time_maa_k", "att.time_maa_k"},
    {WKV_NAME_ROW, "attention.time_maa_v", "att.time_maa_v"},
    {WKV_NAME_ROW, "attention.time_maa_r", "att.time_maa_r"},
    {WKV_NAME_ROW, "attention.time_maa_g", "att.time_maa_g"},
    {WKV_NAME_SAME, "attention.time_maa_w1", "att.time_maa_w1"},
    {WKV_NAME_SAME, "attention.time_maa_w2", "att.time_maa_w2"},
    {WKV_NAME_SAME, "attention.time_decay_w1", "att.time_decay_w1"},
    {WKV_NAME_SAME, "attention.time_decay_w2", "att.time_decay_w2"},
    {WKV_NAME_ROW, "feed_forward.time_mix_key", "ffn.time_mix_k"},
    {WKV_NAME_ROW, "feed_forward.time_mix_receptance", "ffn.time_mix_r"},
    {WKV_NAME_ROW, "feed_forward.time_maa_k", "ffn.time_maa_k"},
    {WKV_NAME_ROW, "feed_forward.time_maa_r", "ffn.time_maa_r"},
    {WKV_NAME_SAME, "feed_forward.key.weight", "ffn.key.weight"},
    {WKV_NAME_SAME, "feed_forward.receptance.weight", "ffn.receptance.weight"},
    {WKV_NAME_SAME, "feed_forward.value.weight", "ffn.value.weight"},
};

static bool is(const wkv_store *s)
{
    return wkv_store_find(s, "rwkv.blocks.0.attention.key.weight") != NULL ||
           wkv_store_find(s, "blocks.0.attention.key.weight") != NULL;
}

const wkv_name_scheme wkv_names_transformers = {
    .name = "transformers",
    .prefix = "rwkv.",
    .bare = "head.weight",
    .blocks = "blocks.",
    .once = once,
    .n_once = sizeof once / sizeof once[0],
    .layer = layer,
    .n_layer = sizeof layer / sizeof layer[0],
    .is = is,
};
