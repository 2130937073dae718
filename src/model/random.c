/* model/random.c - models of any shape with random weights, for measuring speed and memory.
 *
 * Vectors get the version's initial values; everything that is multiplied with gets random
 * ones whose size keeps the activations near one, for as long as one likes to feed tokens.
 *
 * Trained models leave most entries of the channel mixing's key at zero after relu^2, and
 * kernels use that.  It is imitated with one constant direction: the norm before channel
 * mixing adds a vector of signs, which token shift cannot change, and every row of the key
 * subtracts a threshold along it.  The rest of a row is random, so that some entries are
 * nearly always zero, some seldom, and most now and then, as in trained models. */
#include <math.h>
#include <string.h>
#include <wkv/model.h>
#include <wkv/unstable.h>

#include "arch/arch.h"
#include "base/mem.h"
#include "model/vocab.h"
#include "os/team.h"

/* The parameters that --ffn-sparsity shapes, in every version that has them. */
#define FFN_KEY "blocks.%d.ffn.key.weight"
#define FFN_NORM_BIAS "blocks.%d.ln2.bias"

/* Standard deviation of an entry of the key: its constant part has variance 1, the other
 * that of a mix of two normed tokens, from 2/3 (unrelated ones) to 1 (equal ones). */
static const double key_deviation = 1.35;

enum { META_MAX = 32 };

/* Everything that making one model holds. */
typedef struct making {
    const wkv_random_opts *o;
    wkv_config cfg;
    wkv_dev *dev;
    wkv_tok *tok;
    wkv_dtype dtype;  /* of the matrices and low-rank factors */
    double threshold; /* what each entry of the key is lowered by */
    bool shape_key;
    wkv_tensor *tensors;
    char (*names)[WKV_NAME_MAX];
    void **blocks; /* the tensors' memory */
    size_t n;
    wkv_config_meta config;
    wkv_meta meta[META_MAX];
    wkv_store_out out;
    wkv_store_progress progress;
    uint64_t done, total; /* bytes that have values, of all */
} making;

void wkv_random_opts_init(wkv_random_opts *o)
{
    *o = (wkv_random_opts){
        .arch = "rwkv7", .layers = 12, .width = 768, .head_size = 64, .vocab_size = 65536};
}

/* ---- values --------------------------------------------------------------------------- */

/* Near enough to a standard normal number: four uniform ones added. */
static float near_normal(wkv_rng *rng)
{
    const uint64_t u = wkv_rng_u64(rng);
    const int sum =
        (int)(u & 0xffff) + (int)(u >> 16 & 0xffff) + (int)(u >> 32 & 0xffff) + (int)(u >> 48);
    return (float)(sum - 2 * 0xffff) * (1.0f / 37837.0f); /* 2^16 / sqrt(3) */
}

/* x such that a standard normal number is below it with probability p. */
static double normal_quantile(double p)
{
    double lo = -8, hi = 8;
    for (int i = 0; i < 60; i++) {
        const double mid = (lo + hi) / 2;
        if (0.5 * erfc(-mid / sqrt(2.0)) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Component c of layer l's constant direction: 1 or -1. */
static float sign_of(const making *k, int l, int c)
{
    const uint64_t at = (uint64_t)l << 32 | (uint64_t)c;
    return wkv_splitmix64(k->o->seed ^ wkv_splitmix64(at)) & 1 ? 1.0f : -1.0f;
}

/* One row of a matrix, each from a random stream of its own. */
static void fill_row(const making *k, float *row, const wkv_param *p, int i, int l, int r, int cols,
                     float scale)
{
    wkv_rng rng;
    wkv_rng_seed(&rng, wkv_splitmix64(wkv_splitmix64(k->o->seed) + (uint64_t)i) + (uint64_t)r);
    for (int c = 0; c < cols; c++)
        row[c] = scale * near_normal(&rng);
    if (!k->shape_key || strcmp(p->name, FFN_KEY) != 0)
        return;
    const float step = (float)(k->threshold / cols);
    for (int c = 0; c < cols; c++)
        row[c] -= step * sign_of(k, l, c);
}

typedef struct filling {
    const making *k;
    void *data;
    const wkv_tensor *t;
    const wkv_param *p;
    int i, l, rows, cols;
    float scale, *buffer; /* of one row, each a thread */
} filling;

/* Every so many-th row. */
static void fill_rows(void *ctx, int part)
{
    const filling *f = ctx;
    const size_t cols = (size_t)f->cols;
    const size_t row_bytes = cols * (size_t)wkv_dtype_of(f->t->dtype)->bytes;
    float *row = f->buffer + (size_t)part * cols;
    for (int r = part; r < f->rows; r += f->k->dev->threads) {
        fill_row(f->k, row, f->p, f->i, f->l, r, f->cols, f->scale);
        wkv_dtype_from_f32((char *)f->data + (size_t)r * row_bytes, row, f->t->dtype, cols);
    }
}

/* False when out of memory. */
static bool fill_matrix(const making *k, void *data, const wkv_tensor *t, const wkv_param *p, int i,
                        int l)
{
    const int cols = (int)t->dim[t->ndim - 1], rows = (int)(wkv_tensor_count(t) / cols);
    const int inputs = p->kind == WKV_LOW ? rows : cols;
    const float scale = p->kind == WKV_TABLE ? 1.0f : (float)(1.0 / sqrt(inputs));
    const int threads = k->dev->threads;
    float *buffer = wkv_malloc((size_t)threads * (size_t)cols * sizeof *buffer);
    if (buffer == NULL)
        return false;
    filling f = {k, data, t, p, i, l, rows, cols, scale, buffer};
    wkv_team_run(k->dev->team, fill_rows, &f, threads);
    wkv_free(buffer);
    return true;
}

static bool fill_vector(const making *k, float *data, const wkv_tensor *t, const wkv_param *p,
                        int i, int l)
{
    const size_t n = (size_t)wkv_tensor_count(t);
    real *values = wkv_malloc(n * sizeof *values);
    if (values == NULL)
        return false;
    wkv_rng rng;
    wkv_rng_seed(&rng, wkv_splitmix64(k->o->seed) + (uint64_t)i);
    const wkv_init init = {&k->cfg, k->dev, &rng, l, 1, (int)n, 1e-3};
    const bool ok = p->init(values, &init) == WKV_OK;
    const bool direction = k->shape_key && strcmp(p->name, FFN_NORM_BIAS) == 0;
    for (size_t c = 0; c < n && ok; c++)
        data[c] = direction ? sign_of(k, l, (int)c) : (float)values[c];
    wkv_free(values);
    return ok;
}

/* The tensor of a parameter without name and values; its bytes, 0 when they cannot be counted. */
static uint64_t describe(const making *k, wkv_tensor *t, const wkv_param *p)
{
    uint64_t bytes = 0;
    *t = (wkv_tensor){.dtype = p->kind == WKV_VEC ? WKV_DTYPE_F32 : k->dtype};
    t->ndim = wkv_param_shape(&k->cfg, p, t->dim);
    wkv_tensor_set_strides(t);
    return wkv_dtype_bytes(t->dtype, (uint64_t)wkv_tensor_count(t), &bytes) ? bytes : 0;
}

static wkv_status make_parameter(making *k, int i, wkv_error *err)
{
    int layer;
    const wkv_param *p = wkv_params_at(&k->cfg, i, &layer);
    wkv_tensor *t = &k->tensors[k->n];
    const uint64_t bytes = describe(k, t, p);
    void *data = bytes > 0 ? wkv_malloc((size_t)bytes) : NULL;
    t->name = k->names[k->n];
    wkv_param_name(k->names[k->n], p, layer);
    k->blocks[k->n++] = data;
    t->data = data;
    if (data == NULL || !(p->kind == WKV_VEC ? fill_vector(k, data, t, p, i, layer)
                                             : fill_matrix(k, data, t, p, i, layer)))
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", t->name);
    k->done += bytes;
    if (k->o->on_progress != NULL && !k->o->on_progress(k->o->user, true, k->done, k->total))
        WKV_FAIL(err, WKV_E_STATE, "stopped");
    return WKV_OK;
}

/* Bytes of the parameters that the model has. */
static uint64_t total_bytes(const making *k, const bool *present)
{
    uint64_t total = 0;
    for (int i = 0; i < wkv_params_count(&k->cfg); i++) {
        int layer;
        wkv_tensor t;
        total += present[i] ? describe(k, &t, wkv_params_at(&k->cfg, i, &layer)) : 0;
    }
    return total;
}

static wkv_status make_parameters(making *k, wkv_error *err)
{
    const size_t count = (size_t)wkv_params_count(&k->cfg);
    k->tensors = wkv_calloc(count, sizeof *k->tensors);
    k->names = wkv_calloc(count, sizeof *k->names);
    k->blocks = wkv_calloc(count, sizeof *k->blocks);
    bool *present = wkv_calloc(count, sizeof *present);
    wkv_status status = WKV_OK;
    if (k->tensors == NULL || k->names == NULL || k->blocks == NULL || present == NULL)
        status = WKV_SET(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", count);
    else
        wkv_params_present(present, &k->cfg, NULL);
    if (status == WKV_OK)
        k->total = total_bytes(k, present);
    for (size_t i = 0; i < count && status == WKV_OK; i++)
        status = present[i] ? make_parameter(k, (int)i, err) : WKV_OK;
    wkv_free(present);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------ */

static bool has_layer_parameter(const wkv_arch *arch, const char *name)
{
    for (int i = 0; i < arch->n_layer; i++)
        if (strcmp(arch->layer[i].name, name) == 0)
            return true;
    return false;
}

/* What the version has no use for is not taken and forgotten. */
static wkv_status check_used(const making *k, wkv_error *err)
{
    const wkv_random_opts *o = k->o;
    const struct {
        const char *option;
        bool given, used;
    } list[] = {{"window", o->window > 0, k->cfg.dim[WKV_DIM_S] > 0},
                {"length", o->length > 0, k->cfg.dim[WKV_DIM_POS] > 0},
                {"token-shift", o->token_shift, k->cfg.token_shift}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (list[i].given && !list[i].used)
            WKV_FAIL(err, WKV_E_ARGUMENT, "%s: %s has no use for it", list[i].option,
                     k->cfg.arch->name);
    return WKV_OK;
}

static wkv_status plan(making *k, wkv_error *err)
{
    const wkv_random_opts *o = k->o;
    const wkv_arch *arch = wkv_arch_find(o->arch);
    if (arch == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "there is no architecture \"%s\", only %s", o->arch,
                 wkv_arch_names());
    const wkv_sizes sizes = {.layers = o->layers,
                             .width = o->width,
                             .vocab = o->vocab_size,
                             .head_size = o->head_size,
                             .window = o->window,
                             .length = o->length,
                             .token_shift = o->token_shift};
    WKV_TRY(wkv_config_new(&k->cfg, arch, &sizes, err));
    WKV_TRY(check_used(k, err));
    k->dtype = o->dtype != NULL ? wkv_dtype_by_name(o->dtype) : WKV_DTYPE_F32;
    if (k->dtype != WKV_DTYPE_F32 && k->dtype != WKV_DTYPE_F16 && k->dtype != WKV_DTYPE_BF16)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "type of the matrices: expected f32, f16 or bf16, found \"%s\"", o->dtype);
    if (!(o->ffn_sparsity >= 0 && o->ffn_sparsity < 1))
        WKV_FAIL(err, WKV_E_ARGUMENT, "sparsity: expected 0 (as it comes) to below 1, found %g",
                 o->ffn_sparsity);
    k->shape_key = o->ffn_sparsity > 0;
    if (k->shape_key &&
        !(has_layer_parameter(arch, FFN_KEY) && has_layer_parameter(arch, FFN_NORM_BIAS)))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s has no channel mixing that can be made sparse",
                 arch->name);
    k->threshold = k->shape_key ? key_deviation * normal_quantile(o->ffn_sparsity) : 0;
    if (o->vocab == NULL)
        return WKV_OK;
    WKV_TRY(wkv_vocab_open(&k->tok, o->vocab, err));
    return wkv_vocab_fits(k->tok, o->vocab_size, o->vocab, err);
}

static void gather_meta(making *k)
{
    wkv_config_to_meta(&k->config, &k->cfg);
    memcpy(k->meta, k->config.pair, k->config.n * sizeof *k->meta);
    k->out.n_meta = k->config.n;
    if (k->tok != NULL)
        k->out.n_meta += wkv_vocab_to_meta(&k->meta[k->out.n_meta], k->tok);
}

static bool on_write(void *user, uint64_t done, uint64_t total)
{
    const making *k = user;
    return k->o->on_progress(k->o->user, false, done, total);
}

static wkv_status make(making *k, const char *path, wkv_error *err)
{
    const char *format = k->o->format != NULL ? k->o->format : wkv_store_format_of_path(path);
    if (format == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: the suffix says no format; name one (gguf, safetensors, pth, hf or rwkv.cpp)",
                 path);
    WKV_TRY(plan(k, err));
    WKV_TRY(wkv_dev_open_cpu(&k->dev, 0, err));
    WKV_TRY(make_parameters(k, err));
    gather_meta(k);
    k->out.tensors = k->tensors;
    k->out.n_tensors = k->n;
    k->out.meta = k->meta;
    k->out.dtype = WKV_DTYPE_COUNT;
    k->progress = (wkv_store_progress){.user = k, .tell = on_write};
    k->out.progress = k->o->on_progress != NULL ? &k->progress : NULL;
    return wkv_store_write(path, format, &k->out, err);
}

wkv_status wkv_random_model(const char *path, const wkv_random_opts *opts, wkv_error *err)
{
    wkv_random_opts defaults;
    wkv_random_opts_init(&defaults);
    making k = {.o = opts != NULL ? opts : &defaults};
    wkv_status status = make(&k, path, err);
    for (size_t i = 0; i < k.n; i++)
        wkv_free(k.blocks[i]);
    wkv_free(k.blocks);
    wkv_free(k.names);
    wkv_free(k.tensors);
    wkv_tok_close(&k.tok);
    wkv_dev_close(&k.dev);
    return status;
}
