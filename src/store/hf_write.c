/* store/hf_write.c - writing a Hugging Face folder: RWKV-7 as flash-linear-attention has it,
 * RWKV-4 as transformers does, with the configuration and, where it can be expressed, the
 * vocabulary.
 *
 * What those programs would compute otherwise than the model says is refused, never
 * written: they take epsilons from the configuration, and only in one proportion. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "base/strbuf.h"
#include "store/canon.h"
#include "store/hf.h"
#include "store/names.h"

typedef struct writing {
    const char *folder;
    const wkv_store_out *what;
    wkv_store_out out; /* the tensors under the scheme's names */
    wkv_names_out names;
    wkv_strbuf config;
    size_t n_fields;
} writing;

static bool meta_is(const wkv_store_out *what, const char *key, const char *value)
{
    const wkv_meta *m = wkv_store_out_meta(what, key);
    return m != NULL && strcmp(m->value, value) == 0;
}

static double meta_number(const wkv_store_out *what, const char *key, double otherwise)
{
    const wkv_meta *m = wkv_store_out_meta(what, key);
    const double v = m != NULL ? wkv_number_parse(m->value, NULL) : 0;
    return v > 0 ? v : otherwise;
}

/* A dimension of a tensor that the model must have; counted from the end when negative. */
static wkv_status need(int64_t *out, const wkv_store_out *what, const char *name, int dim,
                       wkv_error *err)
{
    const wkv_tensor *t = wkv_store_out_find(what, name);
    if (t == NULL)
        WKV_FAIL(err, WKV_E_MISSING, "the model lacks the tensor '%s', which this form needs",
                 name);
    if (dim >= t->ndim || dim + t->ndim < 0)
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' has %d dimensions", name, t->ndim);
    *out = t->dim[dim < 0 ? dim + t->ndim : dim];
    return WKV_OK;
}

/* ---- config.json ----------------------------------------------------------------------------- */

static void put_key(writing *w, const char *key)
{
    wkv_strbuf_printf(&w->config, "%s  \"%s\": ", w->n_fields++ > 0 ? ",\n" : "", key);
}

static void put_raw(writing *w, const char *key, const char *json)
{
    put_key(w, key);
    wkv_strbuf_puts(&w->config, json);
}

static void put_int(writing *w, const char *key, int64_t v)
{
    put_key(w, key);
    wkv_strbuf_printf(&w->config, "%" PRId64, v);
}

/* Always with a point or an exponent, so that every reader takes it for a real number. */
static void put_eps(writing *w, const char *key, double v)
{
    char text[32];
    wkv_number_print(text, sizeof text, "%.9e", v);
    put_raw(w, key, text);
}

/* The type of the matrices is the one that other programs load everything in. */
static const char *torch_dtype(const wkv_store_out *what)
{
    const wkv_tensor *head = wkv_store_out_find(what, "head.weight");
    switch (head != NULL ? wkv_store_out_dtype(what, head) : WKV_DTYPE_F32) {
    case WKV_DTYPE_F16:
        return "\"float16\"";
    case WKV_DTYPE_BF16:
        return "\"bfloat16\"";
    case WKV_DTYPE_F64:
        return "\"float64\"";
    default:
        return "\"float32\"";
    }
}

static wkv_status put_common(writing *w, int64_t *width, wkv_error *err)
{
    int64_t vocab, ffn;
    WKV_TRY(need(&vocab, w->what, "emb.weight", 0, err));
    WKV_TRY(need(width, w->what, "emb.weight", 1, err));
    WKV_TRY(need(&ffn, w->what, "blocks.0.ffn.key.weight", 0, err));
    put_int(w, "vocab_size", vocab);
    put_int(w, "hidden_size", *width);
    put_int(w, "intermediate_size", ffn);
    put_int(w, "num_hidden_layers", (int64_t)meta_number(w->what, "wkv.layers", 0));
    put_int(w, "bos_token_id", 0);
    put_int(w, "eos_token_id", 0);
    put_raw(w, "tie_word_embeddings", "false");
    put_raw(w, "use_cache", "true");
    put_raw(w, "torch_dtype", torch_dtype(w->what));
    return WKV_OK;
}

static wkv_status configure4(writing *w, wkv_error *err)
{
    int64_t width, att;
    put_raw(w, "architectures", "[\"RwkvForCausalLM\"]");
    put_raw(w, "model_type", "\"rwkv\"");
    WKV_TRY(put_common(w, &width, err));
    WKV_TRY(need(&att, w->what, "blocks.0.att.key.weight", 0, err));
    WKV_TRY(need(&width, w->what, "blocks.0.ln0.weight", 0, err));
    put_int(w, "attention_hidden_size", att);
    put_int(w, "context_length", 1024);
    put_eps(w, "layer_norm_epsilon", meta_number(w->what, "wkv.ln_eps", 1e-5));
    /* Halving the stream every six layers keeps f16 in its range; otherwise it only makes the
     * epsilons count for more. */
    put_int(w, "rescale_every", strcmp(torch_dtype(w->what), "\"float16\"") == 0 ? 6 : 0);
    return WKV_OK;
}

static wkv_status put_ranks(writing *w, int64_t layers, wkv_error *err)
{
    static const char *const rank[][2] = {{"decay_low_rank_dim", "blocks.0.att.w1"},
                                          {"a_low_rank_dim", "blocks.0.att.a1"},
                                          {"gate_low_rank_dim", "blocks.0.att.g1"},
                                          {"v_low_rank_dim", "blocks.1.att.v1"}};
    int64_t n;
    for (size_t i = 0; i < (layers > 1 ? 4u : 3u); i++) {
        WKV_TRY(need(&n, w->what, rank[i][1], 1, err));
        put_int(w, rank[i][0], n);
    }
    return WKV_OK;
}

static wkv_status check_eps7(const writing *w, int64_t head, wkv_error *err)
{
    const double ln = meta_number(w->what, "wkv.ln_eps", 1e-5);
    const double gn = meta_number(w->what, "wkv.gn_eps", 64e-5), theirs = (double)head * ln;
    if (fabs(gn - theirs) > 1e-6 * theirs)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "flash-linear-attention has a group norm epsilon of head size times layer norm "
                 "epsilon, %lld x %g = %g; this model's is %g",
                 (long long)head, ln, theirs, gn);
    return WKV_OK;
}

static wkv_status configure7(writing *w, wkv_error *err)
{
    const int64_t layers = (int64_t)meta_number(w->what, "wkv.layers", 0);
    int64_t width, heads, head;
    put_raw(w, "architectures", "[\"RWKV7ForCausalLM\"]");
    put_raw(w, "model_type", "\"rwkv7\"");
    WKV_TRY(put_common(w, &width, err));
    WKV_TRY(need(&heads, w->what, "blocks.0.att.r_k", 0, err));
    WKV_TRY(need(&head, w->what, "blocks.0.att.r_k", 1, err));
    if (heads * head != width)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "flash-linear-attention needs heads that make up the "
                 "width; %lld of %lld are not %lld",
                 (long long)heads, (long long)head, (long long)width);
    WKV_TRY(check_eps7(w, head, err));
    put_raw(w, "attn_mode", "\"chunk\"");
    put_raw(w, "attn", "null");
    put_int(w, "num_heads", heads);
    put_int(w, "head_dim", head);
    WKV_TRY(put_ranks(w, layers, err));
    put_key(w, "value_dim");
    for (int64_t l = 0; l < layers; l++)
        wkv_strbuf_printf(&w->config, "%s%" PRId64, l > 0 ? ", " : "[", width);
    wkv_strbuf_puts(&w->config, "]");
    put_raw(w, "hidden_act", "\"sqrelu\"");
    put_raw(w, "norm_first",
            wkv_store_out_find(w->what, "blocks.0.ln0.weight") != NULL ? "true" : "false");
    put_raw(w, "norm_bias", "true");
    put_eps(w, "norm_eps", meta_number(w->what, "wkv.ln_eps", 1e-5));
    put_int(w, "max_position_embeddings", 4096);
    put_raw(w, "fuse_norm", "false");
    return WKV_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

static wkv_status write_file(const writing *w, const char *name, const void *data, size_t n,
                             wkv_error *err)
{
    char *path = wkv_hf_path(w->folder, name);
    wkv_writer *file;
    if (path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory");
    wkv_status status = wkv_writer_open(&file, path, err);
    wkv_free(path);
    WKV_TRY(status);
    status = wkv_writer_write(file, data, n, err);
    if (status == WKV_OK)
        return wkv_writer_commit(&file, err);
    wkv_writer_abort(&file);
    return status;
}

static wkv_status write_config(writing *w, wkv_status (*configure)(writing *w, wkv_error *err),
                               wkv_error *err)
{
    wkv_strbuf_puts(&w->config, "{\n");
    WKV_TRY(configure(w, err));
    wkv_strbuf_puts(&w->config, "\n}\n");
    if (!wkv_strbuf_ok(&w->config))
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for config.json");
    return write_file(w, "config.json", w->config.data, w->config.len, err);
}

/* *written when a file of the folder holds the vocabulary. */
static wkv_status write_vocab(const writing *w, bool *written, wkv_error *err)
{
    static const char describes[] = "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                                    "  \"clean_up_tokenization_spaces\": false\n}\n";
    const wkv_meta *vocab = wkv_store_out_meta(w->what, "wkv.vocab");
    const bool world = meta_is(w->what, "wkv.tokenizer", "world");
    *written = vocab != NULL && (world || meta_is(w->what, "wkv.tokenizer", "bpe"));
    if (!*written)
        return WKV_OK;
    if (!world)
        WKV_TRY(write_file(w, "tokenizer_config.json", describes, sizeof describes - 1, err));
    return write_file(w, world ? "rwkv_vocab_v20230424.txt" : "tokenizer.json", vocab->value,
                      vocab->value_len, err);
}

/* Ours but for a vocabulary that has a file, and the word by which transformers knows that
 * the tensors are PyTorch's. */
static size_t choose_meta(wkv_meta *meta, const writing *w, bool vocab_written)
{
    size_t n = 0;
    meta[n++] = (wkv_meta){"format", "pt", 2};
    for (size_t i = 0; i < w->what->n_meta; i++) {
        const wkv_meta *m = &w->what->meta[i];
        const bool vocab = strcmp(m->key, "wkv.tokenizer") == 0 || strcmp(m->key, "wkv.vocab") == 0;
        if (strncmp(m->key, "wkv.", 4) == 0 && !(vocab && vocab_written))
            meta[n++] = *m;
    }
    return n;
}

static wkv_status write_weights(writing *w, bool vocab_written, wkv_error *err)
{
    wkv_meta *meta = wkv_malloc((w->what->n_meta + 1) * sizeof *meta);
    char *path = wkv_hf_path(w->folder, "model.safetensors");
    wkv_status status = WKV_OK;
    if (meta == NULL || path == NULL) {
        status = WKV_SET(err, WKV_E_MEMORY, "out of memory");
    } else {
        w->out = (wkv_store_out){.tensors = w->names.tensors,
                                 .n_tensors = w->names.n_tensors,
                                 .meta = meta,
                                 .n_meta = choose_meta(meta, w, vocab_written),
                                 .dtype = w->what->dtype,
                                 .progress = w->what->progress};
        status = wkv_store_write(path, "safetensors", &w->out, err);
    }
    wkv_free(path);
    wkv_free(meta);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* There is no place for them. */
static wkv_status drop_unused(wkv_tensor **tensors, wkv_store_out *what, wkv_error *err)
{
    *tensors = wkv_malloc(what->n_tensors * sizeof **tensors);
    if (*tensors == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the list of tensors");
    size_t n = 0;
    for (size_t i = 0; i < what->n_tensors; i++)
        if (!wkv_canon_unused(what->tensors[i].name))
            (*tensors)[n++] = what->tensors[i];
    what->tensors = *tensors;
    what->n_tensors = n;
    return WKV_OK;
}

static wkv_status write_all(writing *w, bool seven, wkv_error *err)
{
    bool vocab_written = false;
    WKV_TRY(
        wkv_names_write(&w->names, seven ? &wkv_names_fla : &wkv_names_transformers, w->what, err));
    WKV_TRY(write_config(w, seven ? configure7 : configure4, err));
    WKV_TRY(write_vocab(w, &vocab_written, err));
    return write_weights(w, vocab_written, err);
}

wkv_status wkv_hf_write(const char *folder, const wkv_store_out *what, wkv_error *err)
{
    const bool seven = meta_is(what, "wkv.arch", "rwkv7");
    wkv_store_out used = *what;
    wkv_tensor *tensors;
    if (!seven && !meta_is(what, "wkv.arch", "rwkv4"))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "of RWKV, Hugging Face's libraries run RWKV-4 (transformers) and RWKV-7 "
                 "(flash-linear-attention); this file holds %s",
                 wkv_store_out_meta(what, "wkv.arch") != NULL
                     ? wkv_store_out_meta(what, "wkv.arch")->value
                     : "no model");
    WKV_TRY(drop_unused(&tensors, &used, err));
    writing w = {.folder = folder, .what = &used};
    wkv_strbuf_init(&w.config);
    wkv_status status = write_all(&w, seven, err);
    wkv_strbuf_deinit(&w.config);
    wkv_names_deinit(&w.names);
    wkv_free(tensors);
    return status;
}
