/* tests/unit/store/gguf_made.c - see gguf_made.h. */
#include "gguf_made.h"

#include <string.h>

#include "store/bytes.h"

void gguf_put(wkv_strbuf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, v);
    wkv_strbuf_add(b, bytes, n);
}

void gguf_put_string(wkv_strbuf *b, const char *s)
{
    gguf_put(b, strlen(s), 8);
    wkv_strbuf_puts(b, s);
}

wkv_strbuf gguf_file(uint64_t tensors, uint64_t values)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_puts(&b, "GGUF");
    gguf_put(&b, 3, 4);
    gguf_put(&b, tensors, 8);
    gguf_put(&b, values, 8);
    return b;
}

void gguf_key(wkv_strbuf *b, const char *name, uint32_t type)
{
    gguf_put_string(b, name);
    gguf_put(b, type, 4);
}

void gguf_number(wkv_strbuf *b, const char *name, uint32_t type, uint64_t v, size_t n)
{
    gguf_key(b, name, type);
    gguf_put(b, v, n);
}

void gguf_string(wkv_strbuf *b, const char *name, const char *value)
{
    gguf_key(b, name, GGUF_STRING);
    gguf_put_string(b, value);
}

void gguf_array(wkv_strbuf *b, const char *name, uint32_t type, uint64_t count)
{
    gguf_key(b, name, GGUF_ARRAY);
    gguf_put(b, type, 4);
    gguf_put(b, count, 8);
}

uint32_t gguf_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

void gguf_entry(wkv_strbuf *b, const char *name, uint32_t type, uint64_t d0, uint64_t d1,
                uint64_t d2, uint64_t d3, uint64_t offset)
{
    const uint64_t dim[4] = {d0, d1, d2, d3};
    uint32_t n = 0;
    while (n < 4 && dim[n] > 0)
        n++;
    gguf_put_string(b, name);
    gguf_put(b, n, 4);
    for (uint32_t d = 0; d < n; d++)
        gguf_put(b, dim[d], 8);
    gguf_put(b, type, 4);
    gguf_put(b, offset, 8);
}

void gguf_align(wkv_strbuf *b, size_t alignment)
{
    while (b->len % alignment != 0)
        gguf_put(b, 0, 1);
}

void gguf_floats(wkv_strbuf *b, float first, int n)
{
    for (int i = 0; i < n; i++)
        gguf_put(b, gguf_bits(first + (float)i), 4);
    gguf_align(b, 32);
}

wkv_strbuf gguf_rwkv7(void)
{
    wkv_strbuf b = gguf_file(7, 3);
    gguf_string(&b, "general.architecture", "rwkv7");
    gguf_number(&b, "rwkv7.wkv.head_size", GGUF_U32, 2, 4);
    gguf_number(&b, "rwkv7.attention.layer_norm_epsilon", GGUF_F32, gguf_bits(1e-6f), 4);
    gguf_entry(&b, "token_embd.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 0);
    gguf_entry(&b, "blk.1.time_mix_lerp_fused.weight", GGUF_TYPE_F32, 4, 1, 1, 6, 32);
    gguf_entry(&b, "blk.1.time_mix_w1.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 128);
    gguf_entry(&b, "blk.1.time_mix_r_k.weight", GGUF_TYPE_F32, 4, 0, 0, 0, 160);
    gguf_entry(&b, "blk.0.time_mix_v1.weight", GGUF_TYPE_F32, 4, 2, 0, 0, 192);
    gguf_entry(&b, "blk.1.time_mix_k_a.weight", GGUF_TYPE_F32, 4, 0, 0, 0, 224);
    gguf_entry(&b, "token_embd_norm.bias", GGUF_TYPE_F32, 4, 0, 0, 0, 256);
    gguf_align(&b, 32);
    gguf_floats(&b, 0, 8);
    gguf_floats(&b, 100, 24);
    gguf_floats(&b, 200, 8);
    gguf_floats(&b, 300, 4);
    gguf_floats(&b, 400, 8);
    gguf_floats(&b, 500, 4);
    gguf_floats(&b, 600, 4);
    return b;
}

wkv_strbuf gguf_with_tokens(const char *last, uint32_t type, uint64_t types)
{
    wkv_strbuf b = gguf_file(0, 3);
    gguf_string(&b, "tokenizer.ggml.model", "rwkv");
    gguf_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 5);
    gguf_put_string(&b, "<s>");
    gguf_put_string(&b, "a'\"");
    gguf_put_string(&b, "\\n\\t\\r\\\\\\x00\\'");
    gguf_put_string(&b, "[PAD3]");
    gguf_put_string(&b, last);
    gguf_array(&b, "tokenizer.ggml.token_type", type, types);
    const uint32_t kinds[] = {3, 1, 1, 5, 1};
    for (uint64_t i = 0; i < types && i < 5; i++)
        gguf_put(&b, kinds[i], type == GGUF_U8 ? 1 : 4);
    return b;
}
