/* model/quantize.c - a conversion in which matrices become blocks of fewer bits.
 *
 * What each tensor becomes is decided before anything is written (mix.h); the blocks are made
 * while the file is, a piece of a tensor at a time, all threads at one piece. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wkv/quantize.h>

#include "base/mem.h"
#include "base/quant.h"
#include "model/calibrate.h"
#include "model/convert.h"
#include "model/mix.h"
#include "os/team.h"

enum { BLOCK = 256, CHUNK = 64 * BLOCK }; /* elements: of the largest block; of a thread's turn */

/* What becomes of one parameter of the model. */
typedef struct item {
    char name[WKV_NAME_MAX];
    wkv_dtype dtype;
    const float *columns; /* how much an error in each column counts, or NULL */
    int64_t cols;
} item;

typedef struct quantising {
    const wkv_quantize_opts *o;
    const char *in;
    const wkv_mix *mix;
    wkv_importance importance;
    item *items; /* sorted by name */
    size_t n_items;
    int threads;
    uint64_t total, done; /* elements to be quantised, and those that are */
    double error, square; /* sums of squares of the tensor in hand */
    double all_error, all_square;
    wkv_quantize_result result;
    wkv_store_quantiser quantiser;
} quantising;

void wkv_quantize_opts_init(wkv_quantize_opts *o)
{
    *o = (wkv_quantize_opts){.type = "q8_0", .calibrate_tokens = 16384};
}

/* ---- the plan ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int name_against(const void *name, const void *entry)
{
    const item *i = entry;
    return strcmp(name, i->name);
}

static const item *find_item(const quantising *k, const char *name)
{
    return bsearch(name, k->items, k->n_items, sizeof *k->items, name_against);
}

static wkv_dtype type_of(void *user, const wkv_tensor *t)
{
    const item *i = find_item(user, t->name);
    return i != NULL ? i->dtype : t->dtype;
}

static void plan_item(quantising *k, item *to, const wkv_config *cfg, int i, const wkv_store *in,
                      const char *format)
{
    int layer;
    const wkv_param *p = wkv_params_at(cfg, i, &layer);
    wkv_param_name(to->name, p, layer);
    const wkv_tensor *t = wkv_store_find(in, to->name);
    if (t == NULL || !wkv_param_exists(p, layer) || t->ndim == 0)
        return;
    to->cols = t->dim[t->ndim - 1];
    to->dtype = wkv_mix_choose(k->mix, k->o->pure, p, to->cols, format);
    if (to->dtype == WKV_DTYPE_COUNT)
        return;
    /* What stays plain stays as it is, if it is small already. */
    if (to->dtype == WKV_DTYPE_F16 && wkv_dtype_of(t->dtype)->block == 1 &&
        wkv_dtype_of(t->dtype)->bytes <= 2)
        to->dtype = t->dtype;
    if (k->importance.columns != NULL)
        to->columns = k->importance.columns[i];
    if (to->dtype != t->dtype && wkv_dtype_of(to->dtype)->block > 1)
        k->total += (uint64_t)wkv_tensor_count(t);
    k->n_items++;
}

static wkv_status plan(quantising *k, const wkv_store *in, const wkv_config *cfg,
                       const char *format, wkv_error *err)
{
    const int n = wkv_params_count(cfg);
    k->items = wkv_calloc((size_t)n, sizeof *k->items);
    if (k->items == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %d tensors", n);
    for (int i = 0; i < n; i++)
        plan_item(k, &k->items[k->n_items], cfg, i, in, format);
    qsort(k->items, k->n_items, sizeof *k->items, by_name);
    for (size_t i = 0; i < wkv_store_count(in); i++) {
        const wkv_tensor *t = wkv_store_at(in, i);
        const wkv_dtype to = type_of(k, t);
        k->result.bytes_before += wkv_tensor_bytes(t, t->dtype);
        k->result.bytes_after += wkv_tensor_bytes(t, to);
        k->result.elements += (uint64_t)wkv_tensor_count(t);
        if (wkv_dtype_of(to)->block > 1)
            k->result.quantised += (uint64_t)wkv_tensor_count(t);
    }
    return WKV_OK;
}

static bool on_calibrate(void *user, uint64_t tokens, uint64_t total)
{
    const quantising *k = user;
    return k->o->on_progress == NULL || k->o->on_progress(k->o->user, true, tokens, total);
}

static wkv_status prepare(void *user, const wkv_store *in, const wkv_config *cfg,
                          const char *format, wkv_error *err)
{
    quantising *k = user;
    if (cfg == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "%s: not a model of a known architecture; only models can be quantised", k->in);
    if (!wkv_store_format_has(format, k->mix->base))
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "the format %s has no type %s; gguf has all of them, rwkv.cpp q4_0 to q8_0",
                 format, wkv_dtype_of(k->mix->base)->name);
    if (k->o->calibrate != NULL) {
        const wkv_calibration c = {.model = k->in,
                                   .text = k->o->calibrate,
                                   .vocab = k->o->vocab,
                                   .threads = k->o->threads,
                                   .max_tokens = k->o->calibrate_tokens,
                                   .progress = on_calibrate,
                                   .user = k};
        WKV_TRY(wkv_calibrate(&k->importance, &c, err));
        k->result.calibrated = k->importance.tokens;
    }
    return plan(k, in, cfg, format, err);
}

/* ---- the work ------------------------------------------------------------------------------ */

/* One piece of a tensor that is to become blocks. */
typedef struct piece {
    uint8_t *dst;
    const wkv_tensor *t;
    wkv_dtype as;
    int64_t first, n;
    const item *item;
} piece;

/* Sums of squares of one chunk; error is negative when a value has no place in the type. */
typedef struct sums {
    double error, square;
} sums;

/* Elements [at, at + n) of the piece, n at most CHUNK. */
static sums encode_chunk(const piece *p, int64_t at, int64_t n, float *x)
{
    const wkv_dtype_info *info = wkv_dtype_of(p->as);
    sums s = {0, 0};
    wkv_tensor_read(x, p->t, WKV_DTYPE_F32, p->first + at, n);
    for (int64_t i = 0; i < n; i += info->block) {
        uint8_t *block = p->dst + (at + i) / info->block * info->bytes;
        const int64_t column = (p->first + at + i) % p->item->cols;
        const float *w = p->item->columns != NULL ? p->item->columns + column : NULL;
        float y[BLOCK];
        if (!wkv_block_encode(block, x + i, w, p->as))
            return (sums){-1, 0};
        wkv_dtype_to_f32(y, block, p->as, (size_t)info->block);
        for (int j = 0; j < info->block; j++) {
            const double v = (double)x[i + j], e = v - (double)y[j];
            s.error += e * e;
            s.square += v * v;
        }
    }
    return s;
}

typedef struct encoding {
    const piece *p;
    int threads;
    sums *each; /* a chunk */
    float *x;   /* CHUNK, each a thread */
} encoding;

static int64_t chunks_of(const piece *p)
{
    return (p->n + CHUNK - 1) / CHUNK;
}

/* Every so many-th chunk. */
static void encode_chunks(void *ctx, int part)
{
    const encoding *e = ctx;
    for (int64_t c = part; c < chunks_of(e->p); c += e->threads) {
        const int64_t at = c * CHUNK, left = e->p->n - at;
        e->each[c] =
            encode_chunk(e->p, at, left < CHUNK ? left : CHUNK, e->x + (size_t)part * CHUNK);
    }
}

/* The chunks' sums are added in their order, so that they do not depend on the threads. */
static wkv_status encode_piece(quantising *k, const piece *p, wkv_error *err)
{
    const int64_t chunks = chunks_of(p);
    sums *each = wkv_malloc((size_t)chunks * sizeof *each);
    float *x = wkv_malloc((size_t)k->threads * CHUNK * sizeof *x);
    wkv_status status = WKV_OK;
    if (each == NULL || x == NULL)
        status =
            WKV_SET(err, WKV_E_MEMORY, "out of memory while quantising tensor '%s'", p->t->name);
    else {
        encoding e = {p, k->threads, each, x};
        wkv_team_once(k->threads, encode_chunks, &e, k->threads);
    }
    for (int64_t c = 0; c < chunks && status == WKV_OK; c++) {
        if (each[c].error < 0)
            status = WKV_SET(err, WKV_E_NUMERIC,
                             "%s: tensor '%s' has values that are not finite or beyond 32768: %s "
                             "has no place for them",
                             k->in, p->t->name, wkv_dtype_of(p->as)->name);
        k->error += each[c].error;
        k->square += each[c].square;
    }
    wkv_free(x);
    wkv_free(each);
    return status;
}

static double relative(double error, double square)
{
    return square > 0 ? sqrt(error / square) : 0;
}

static void conclude_tensor(quantising *k, const piece *p)
{
    const wkv_quantize_step step = {
        .tensor = p->t->name,
        .from = wkv_dtype_of(p->t->dtype)->name,
        .to = wkv_dtype_of(p->as)->name,
        .bytes_before = wkv_tensor_bytes(p->t, p->t->dtype),
        .bytes_after = wkv_tensor_bytes(p->t, p->as),
        .error = relative(k->error, k->square),
    };
    k->all_error += k->error;
    k->all_square += k->square;
    k->error = k->square = 0;
    if (k->o->on_tensor != NULL)
        k->o->on_tensor(k->o->user, &step);
}

static wkv_status encode(void *user, void *dst, const wkv_tensor *t, wkv_dtype as, int64_t first,
                         int64_t n, wkv_error *err)
{
    quantising *k = user;
    const piece p = {dst, t, as, first, n, find_item(k, t->name)};
    if (p.item == NULL || p.item->cols % wkv_dtype_of(as)->block != 0)
        WKV_FAIL(err, WKV_E_SHAPE, "tensor '%s' cannot become %s", t->name, wkv_dtype_of(as)->name);
    WKV_TRY(encode_piece(k, &p, err));
    k->done += (uint64_t)n;
    if (first + n == wkv_tensor_count(t))
        conclude_tensor(k, &p);
    return WKV_OK;
}

/* After every piece that is written, whether quantised or as it was. */
static bool tell(void *user, uint64_t bytes, uint64_t of)
{
    (void)bytes;
    (void)of;
    const quantising *k = user;
    return k->o->on_progress(k->o->user, false, k->done, k->total);
}

wkv_status wkv_quantize(const char *in, const char *out, const wkv_quantize_opts *opts,
                        wkv_quantize_result *result, wkv_error *err)
{
    wkv_quantize_opts defaults;
    wkv_quantize_opts_init(&defaults);
    quantising k = {.o = opts != NULL ? opts : &defaults, .in = in};
    const char *type = k.o->type != NULL ? k.o->type : defaults.type;
    k.mix = wkv_mix_find(type);
    if (k.mix == NULL)
        WKV_FAIL(err, WKV_E_ARGUMENT, "there is no type \"%s\" to quantise to, only %s", type,
                 wkv_quantize_types());
    if (k.o->calibrate_tokens < 0)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "calibrate-tokens: expected 0 (all of the text) or more, found %lld",
                 (long long)k.o->calibrate_tokens);
    wkv_dev *dev;
    WKV_TRY(wkv_dev_open_cpu(&dev, k.o->threads, err));
    k.threads = dev->threads;
    wkv_dev_close(&dev);
    k.quantiser = (wkv_store_quantiser){.user = &k, .type_of = type_of, .encode = encode};
    const wkv_convert_hook hook = {.user = &k, .prepare = prepare, .quantiser = &k.quantiser};
    wkv_convert_opts c;
    wkv_convert_opts_init(&c);
    c.format = k.o->format;
    c.vocab = k.o->vocab;
    c.user = &k;
    c.on_progress = k.o->on_progress != NULL ? tell : NULL;
    wkv_status status = wkv_convert_through(in, out, &c, &hook, err);
    k.result.error = relative(k.all_error, k.all_square);
    if (status == WKV_OK && result != NULL)
        *result = k.result;
    wkv_free(k.items);
    wkv_importance_deinit(&k.importance);
    return status;
}
