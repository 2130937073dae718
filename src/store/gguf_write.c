/* store/gguf_write.c - writing GGUF, version 3.  RWKV-6 and 7 get the names, the shapes
 * and the metadata that llama.cpp expects; everything else goes in as it is.
 *
 * So does a World vocabulary.  Any other stays under our own keys: a program that looks for
 * one of its own finds that there is none, and runs the model on ids. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/strbuf.h"
#include "store/bytes.h"
#include "store/gguf.h"

enum { ALIGNMENT = 32, VERSION = 3 };

/* ---- finding the sources ------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const wkv_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int name_against(const void *key, const void *entry)
{
    const wkv_tensor *const *t = entry;
    return strcmp(key, (*t)->name);
}

const wkv_tensor *wkv_gguf_source_find(const wkv_gguf_source *src, const char *name)
{
    const wkv_tensor **t =
        bsearch(name, src->by_name, src->what->n_tensors, sizeof *src->by_name, name_against);
    return t != NULL ? *t : NULL;
}

static wkv_status index_source(wkv_gguf_source *src, wkv_error *err)
{
    const wkv_store_out *what = src->what;
    src->by_name = wkv_calloc(what->n_tensors + 1, sizeof *src->by_name);
    if (src->by_name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    for (size_t i = 0; i < what->n_tensors; i++)
        src->by_name[i] = &what->tensors[i];
    qsort(src->by_name, what->n_tensors, sizeof *src->by_name, by_name);
    if (wkv_gguf_source_find(src, "blocks.0.att.r_k") != NULL)
        src->arch = "rwkv7";
    else if (wkv_gguf_source_find(src, "blocks.0.att.time_maa_x") != NULL)
        src->arch = "rwkv6";
    return WKV_OK;
}

/* ---- metadata ------------------------------------------------------------------------------- */

typedef struct header {
    wkv_strbuf text;
    uint64_t values;
} header;

static void put(wkv_strbuf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    wkv_put_u64(bytes, v);
    wkv_strbuf_add(b, bytes, n);
}

static void put_string(wkv_strbuf *b, const char *s, size_t n)
{
    put(b, n, 8);
    wkv_strbuf_add(b, s, n);
}

static void put_key(header *h, const char *prefix, const char *key, wkv_gguf_type type)
{
    const size_t n = strlen(prefix), m = strlen(key);
    put(&h->text, n + m, 8);
    wkv_strbuf_add(&h->text, prefix, n);
    wkv_strbuf_add(&h->text, key, m);
    put(&h->text, (uint64_t)type, 4);
    h->values++;
}

static void put_text(header *h, const char *key, const char *s, size_t n)
{
    put_key(h, "", key, WKV_GGUF_STRING);
    put_string(&h->text, s, n);
}

static void put_count(header *h, const char *arch, const char *key, int64_t v)
{
    put_key(h, arch, key, WKV_GGUF_U32);
    put(&h->text, (uint64_t)v, 4);
}

static const char *find_meta(const wkv_store_out *what, const char *key)
{
    const wkv_meta *m = wkv_store_out_meta(what, key);
    return m != NULL ? m->value : NULL;
}

static void put_epsilon(header *h, const wkv_store_out *what, const char *arch, const char *key,
                        const char *ours, double otherwise)
{
    const char *text = find_meta(what, ours);
    float v = (float)(text != NULL ? wkv_number_parse(text, NULL) : otherwise);
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(h, arch, key, WKV_GGUF_F32);
    put(&h->text, bits, 4);
}

/* Dimension d of a tensor, from the last on; 0 when there is none. */
static int64_t dim_of(const wkv_gguf_source *src, const char *name, int d)
{
    const wkv_tensor *t = wkv_gguf_source_find(src, name);
    return t != NULL && t->ndim > d ? t->dim[t->ndim - 1 - d] : 0;
}

static int64_t count_layers(const wkv_gguf_source *src)
{
    char name[64];
    int64_t n = 0;
    do
        snprintf(name, sizeof name, "blocks.%" PRId64 ".ln1.weight", n++);
    while (wkv_gguf_source_find(src, name) != NULL);
    return n - 1;
}

static void put_shape(header *h, const wkv_gguf_source *src)
{
    const bool v7 = strcmp(src->arch, "rwkv7") == 0;
    const char *prefix = v7 ? "rwkv7." : "rwkv6.";
    /* The form has a field for a length that these models do not have. */
    put_count(h, prefix, "context_length", 1 << 20);
    put_count(h, prefix, "embedding_length", dim_of(src, "emb.weight", 0));
    put_count(h, prefix, "vocab_size", dim_of(src, "emb.weight", 1));
    put_count(h, prefix, "block_count", count_layers(src));
    put_count(h, prefix, "feed_forward_length", dim_of(src, "blocks.0.ffn.key.weight", 1));
    put_count(h, prefix, "attention.head_count", 0);
    put_count(h, prefix, "wkv.head_size",
              dim_of(src, v7 ? "blocks.0.att.r_k" : "blocks.0.att.time_faaaa", 0));
    if (v7) {
        put_count(h, prefix, "attention.decay_lora_rank", dim_of(src, "blocks.0.att.w1", 0));
        put_count(h, prefix, "attention.iclr_lora_rank", dim_of(src, "blocks.0.att.a1", 0));
        put_count(h, prefix, "attention.value_residual_mix_lora_rank",
                  dim_of(src, "blocks.1.att.v1", 0));
        put_count(h, prefix, "attention.gate_lora_rank", dim_of(src, "blocks.0.att.g1", 0));
    } else {
        put_count(h, prefix, "rescale_every_n_layers", 0);
        put_count(h, prefix, "time_mix_extra_dim", dim_of(src, "blocks.0.att.time_maa_w2", 1));
        put_count(h, prefix, "time_decay_extra_dim", dim_of(src, "blocks.0.att.time_decay_w1", 0));
    }
    put_epsilon(h, src->what, prefix, "attention.layer_norm_epsilon", "wkv.ln_eps", 1e-5);
    put_epsilon(h, src->what, prefix, "attention.group_norm_epsilon", "wkv.gn_eps", 64e-5);
}

/* The vocabulary, when llama.cpp has a place for it. */
static const wkv_meta *world_vocab(const wkv_gguf_source *src)
{
    const char *kind = find_meta(src->what, "wkv.tokenizer");
    const bool world = kind != NULL && strcmp(kind, "world") == 0;
    return src->arch != NULL && world ? wkv_store_out_meta(src->what, "wkv.vocab") : NULL;
}

static void put_array(header *h, const char *key, wkv_gguf_type type, uint64_t count,
                      const wkv_strbuf *elements)
{
    put_key(h, "", key, WKV_GGUF_ARRAY);
    put(&h->text, (uint64_t)type, 4);
    put(&h->text, count, 8);
    wkv_strbuf_add(&h->text, elements->data, elements->len);
}

static wkv_status put_vocabulary(header *h, const wkv_gguf_source *src, wkv_error *err)
{
    const wkv_meta *vocab = world_vocab(src);
    if (vocab == NULL) {
        put_text(h, "tokenizer.ggml.model", "none", 4);
        return WKV_OK;
    }
    const uint64_t count = (uint64_t)dim_of(src, "emb.weight", 1);
    wkv_strbuf tokens, types;
    wkv_strbuf_init(&tokens);
    wkv_strbuf_init(&types);
    wkv_status status =
        wkv_gguf_tokens(&tokens, &types, vocab->value, vocab->value_len, count, err);
    if (status == WKV_OK) {
        put_text(h, "tokenizer.ggml.model", "rwkv", 4);
        put_array(h, "tokenizer.ggml.tokens", WKV_GGUF_STRING, count, &tokens);
        put_array(h, "tokenizer.ggml.token_type", WKV_GGUF_I32, count, &types);
    }
    wkv_strbuf_deinit(&tokens);
    wkv_strbuf_deinit(&types);
    return status;
}

static bool is_one_of(const char *key, const char *const *list)
{
    while (*list != NULL && strcmp(key, *list) != 0)
        list++;
    return *list != NULL;
}

/* True for keys that the file has a place of its own for. */
static bool is_generated(const wkv_gguf_source *src, const char *key)
{
    static const char *const always[] = {"general.architecture", "general.alignment",
                                         "general.file_type",    "general.quantization_version",
                                         "tokenizer.ggml.model", NULL};
    static const char *const epsilons[] = {"wkv.ln_eps", "wkv.gn_eps", NULL};
    static const char *const vocabulary[] = {"wkv.tokenizer", "wkv.vocab", "tokenizer.ggml.tokens",
                                             "tokenizer.ggml.token_type", NULL};
    return is_one_of(key, always) || (world_vocab(src) != NULL && is_one_of(key, vocabulary)) ||
           (src->arch != NULL &&
            (is_one_of(key, epsilons) || strncmp(key, src->arch, strlen(src->arch)) == 0));
}

/* Of the tokenizer's metadata, ids are numbers and switches are boolean. */
static void put_pair(header *h, const wkv_meta *m)
{
    const bool tokenizer = strncmp(m->key, "tokenizer.ggml.", 15) == 0;
    const bool yes = strcmp(m->value, "true") == 0;
    const size_t digits = strspn(m->value, "0123456789");
    if (tokenizer && digits > 0 && digits < 10 && m->value[digits] == '\0') {
        put_count(h, "", m->key, strtol(m->value, NULL, 10));
    } else if (tokenizer && (yes || strcmp(m->value, "false") == 0)) {
        put_key(h, "", m->key, WKV_GGUF_BOOL);
        put(&h->text, yes, 1);
    } else {
        put_text(h, m->key, m->value, m->value_len);
    }
}

/* llama.cpp's number for "mostly of this type"; where it has one for several mixes, that of
 * the middle one. */
static int64_t file_type(wkv_dtype t)
{
    static const struct {
        wkv_dtype dtype;
        int number;
    } list[] = {{WKV_DTYPE_F16, 1},   {WKV_DTYPE_Q4_0, 2},  {WKV_DTYPE_Q4_1, 3},
                {WKV_DTYPE_Q8_0, 7},  {WKV_DTYPE_Q5_0, 8},  {WKV_DTYPE_Q5_1, 9},
                {WKV_DTYPE_Q2_K, 10}, {WKV_DTYPE_Q3_K, 12}, {WKV_DTYPE_Q4_K, 15},
                {WKV_DTYPE_Q5_K, 17}, {WKV_DTYPE_Q6_K, 18}, {WKV_DTYPE_IQ4_NL, 25},
                {WKV_DTYPE_BF16, 32}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (list[i].dtype == t)
            return list[i].number;
    return 0;
}

/* The type that most elements have, and whether there are blocks. */
static void put_types(header *h, const wkv_gguf_entry *list, size_t n)
{
    int64_t elements[WKV_DTYPE_COUNT] = {0};
    bool blocks = false;
    int most = WKV_DTYPE_F32;
    for (size_t i = 0; i < n; i++) {
        for (int p = 0; p < list[i].n_parts; p++)
            elements[list[i].dtype] += wkv_tensor_count(&list[i].part[p]);
        blocks = blocks || wkv_dtype_of(list[i].dtype)->block > 1;
    }
    for (int t = 0; t < WKV_DTYPE_COUNT; t++)
        most = elements[t] > elements[most] ? t : most;
    put_count(h, "general.", "file_type", file_type((wkv_dtype)most));
    if (blocks)
        put_count(h, "general.", "quantization_version", 2);
}

static wkv_status put_meta(header *h, const wkv_gguf_source *src, wkv_error *err)
{
    const wkv_store_out *what = src->what;
    const char *arch = src->arch != NULL ? src->arch : find_meta(what, "wkv.arch");
    arch = arch != NULL ? arch : "unknown";
    put_text(h, "general.architecture", arch, strlen(arch));
    if (src->arch != NULL)
        put_shape(h, src);
    WKV_TRY(put_vocabulary(h, src, err));
    for (size_t i = 0; i < what->n_meta; i++)
        if (!is_generated(src, what->meta[i].key))
            put_pair(h, &what->meta[i]);
    return WKV_OK;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static uint64_t padding(uint64_t n)
{
    return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT;
}

static wkv_status put_entry(header *h, const wkv_gguf_entry *e, uint64_t *offset, wkv_error *err)
{
    const int number = wkv_gguf_dtype_number(e->dtype), block = wkv_dtype_of(e->dtype)->block;
    uint64_t count = 1, bytes, end;
    if (number < 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "tensor '%s' is of type %s, which GGUF does not know",
                 e->name, wkv_dtype_of(e->dtype)->name);
    put_string(&h->text, e->name, strlen(e->name));
    put(&h->text, (uint64_t)e->ndim, 4);
    for (int d = e->ndim - 1; d >= 0; d--) {
        put(&h->text, (uint64_t)e->dim[d], 8);
        count *= (uint64_t)e->dim[d];
    }
    put(&h->text, (uint64_t)number, 4);
    put(&h->text, *offset, 8);
    if ((block > 1 && (e->ndim == 0 || e->dim[e->ndim - 1] % block != 0)) ||
        !wkv_dtype_bytes(e->dtype, count, &bytes) || !wkv_add_ok(*offset, bytes, &end) ||
        end > INT64_MAX - ALIGNMENT)
        WKV_FAIL(err, WKV_E_LIMIT, "tensor '%s' is too large or no whole number of blocks",
                 e->name);
    *offset = end + padding(end);
    return WKV_OK;
}

static wkv_status put_header(header *h, const wkv_gguf_source *src, const wkv_gguf_entry *list,
                             size_t n, wkv_error *err)
{
    uint64_t offset = 0;
    WKV_TRY(put_meta(h, src, err));
    put_types(h, list, n);
    for (size_t i = 0; i < n; i++)
        WKV_TRY(put_entry(h, &list[i], &offset, err));
    if (!wkv_strbuf_ok(&h->text))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the header");
    return WKV_OK;
}

static wkv_status write_padding(wkv_writer *w, wkv_error *err)
{
    static const uint8_t zeros[ALIGNMENT] = {0};
    return wkv_writer_write(w, zeros, (size_t)padding(wkv_writer_offset(w)), err);
}

static wkv_status write_all(wkv_writer *w, header *h, const wkv_gguf_source *src,
                            const wkv_gguf_entry *list, size_t n, wkv_error *err)
{
    uint8_t start[24] = "GGUF";
    WKV_TRY(put_header(h, src, list, n, err));
    wkv_put_u32(start + 4, VERSION);
    wkv_put_u64(start + 8, n);
    wkv_put_u64(start + 16, h->values);
    WKV_TRY(wkv_writer_write(w, start, sizeof start, err));
    WKV_TRY(wkv_writer_write(w, h->text.data, h->text.len, err));
    WKV_TRY(write_padding(w, err));
    for (size_t i = 0; i < n; i++) {
        for (int p = 0; p < list[i].n_parts; p++)
            WKV_TRY(wkv_store_stream_blocks(src->what, &list[i].part[p], list[i].dtype,
                                            wkv_store_to_writer, w, err));
        WKV_TRY(write_padding(w, err));
    }
    return WKV_OK;
}

wkv_status wkv_gguf_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err)
{
    wkv_gguf_source src = {.what = what};
    wkv_gguf_entry *list = NULL;
    size_t n = 0;
    header h = {0};
    wkv_strbuf_init(&h.text);
    wkv_status status = index_source(&src, err);
    if (status == WKV_OK)
        status = wkv_gguf_entries(&list, &n, &src, err);
    if (status == WKV_OK)
        status = write_all(w, &h, &src, list, n, err);
    wkv_strbuf_deinit(&h.text);
    wkv_free(list);
    wkv_free(src.by_name);
    return status;
}
