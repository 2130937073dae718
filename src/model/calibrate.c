/* model/calibrate.c - see calibrate.h.
 *
 * A device is a table of operations, so watching its products costs nothing when nobody does:
 * the model runs on a copy of its device in which they first look at what comes in. */
#include "model/calibrate.h"

#include <stddef.h>
#include <wkv/session.h>

#include "base/mem.h"
#include "model/session_impl.h"
#include "os/os.h"

enum { WINDOW = 512 }; /* tokens between two calls of progress, at most */

/* The device that the passes see, and what it watches. */
typedef struct watch {
    wkv_dev dev; /* first: a wkv_exec's device is this */
    const wkv_dev *own;
    const wkv_model *model;
    double **sum;   /* for each parameter, the columns' squares */
    uint64_t *rows; /* and how many rows there were */
} watch;

/* The number of a weight among the parameters; -1 when it is none. */
static int number_of(const wkv_model *m, const wkv_weight *W)
{
    const int once = m->cfg.arch->n_once, layers = m->cfg.arch->n_layer * m->cfg.layers;
    const uintptr_t at = (uintptr_t)W;
    const uintptr_t a = (uintptr_t)m->weights.once, b = (uintptr_t)m->weights.layer;
    if (at >= a && at < a + (size_t)once * sizeof *W)
        return (int)((at - a) / sizeof *W);
    if (at >= b && at < b + (size_t)layers * sizeof *W)
        return once + (int)((at - b) / sizeof *W);
    return -1;
}

static void watch_rows(double *sum, const real *in, int rows, int cols)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            const double v = (double)in[(size_t)r * (size_t)cols + (size_t)c];
            sum[c] += v * v;
        }
}

static void watch_product(const wkv_exec *x, const real *in, const wkv_weight *W, int rows)
{
    const watch *k = (const watch *)(const void *)x->dev;
    const int i = number_of(k->model, W);
    if (wkv_exec_measuring(x) || i < 0 || k->sum[i] == NULL)
        return;
    watch_rows(k->sum[i], in, rows, W->cols);
    k->rows[i] += (uint64_t)rows;
}

static void watched_matmul(wkv_exec *x, real *y, const real *in, const wkv_weight *W, int rows,
                           bool accumulate)
{
    watch_product(x, in, W, rows);
    ((const watch *)(const void *)x->dev)->own->matmul(x, y, in, W, rows, accumulate);
}

static void watched_products(wkv_exec *x, const wkv_product *p, int n, int rows)
{
    for (int i = 0; i < n; i++)
        watch_product(x, p[i].in, p[i].W, rows);
    ((const watch *)(const void *)x->dev)->own->products(x, p, n, rows);
}

static wkv_status start(watch *k, wkv_model *m, wkv_error *err)
{
    const int n = wkv_params_count(&m->cfg);
    k->model = m;
    k->own = m->dev;
    k->dev = *m->dev;
    k->dev.matmul = watched_matmul;
    k->dev.products = watched_products;
    k->sum = wkv_calloc((size_t)n, sizeof *k->sum);
    k->rows = wkv_calloc((size_t)n, sizeof *k->rows);
    if (k->sum == NULL || k->rows == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the calibration");
    for (int i = 0; i < n; i++) {
        int layer;
        const wkv_weight *w = wkv_weights_at(&m->weights, &m->cfg, i);
        if (w->data == NULL || wkv_params_at(&m->cfg, i, &layer)->kind != WKV_MAT)
            continue;
        k->sum[i] = wkv_calloc((size_t)w->cols, sizeof **k->sum);
        if (k->sum[i] == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the calibration");
    }
    return WKV_OK;
}

static void stop(watch *k, const wkv_model *m)
{
    for (int i = 0; k->sum != NULL && i < wkv_params_count(&m->cfg); i++)
        wkv_free(k->sum[i]);
    wkv_free(k->sum);
    wkv_free(k->rows);
}

/* The ids of the text, of which at most max are wanted; *n of them. */
static wkv_status encode(int32_t **out, size_t *n, const wkv_model *m, const wkv_calibration *c,
                         wkv_error *err)
{
    wkv_map map;
    const wkv_tokenizer *t = wkv_model_tokenizer(m);
    if (t == NULL)
        WKV_FAIL(err, WKV_E_MISSING,
                 "%s: calibration reads a text, but the model has no tokenizer; give vocab",
                 c->model);
    WKV_TRY(wkv_map_open(&map, c->text, err));
    /* A token stands for some bytes, seldom for more than 64. */
    size_t bytes = (size_t)map.size;
    if (c->max_tokens > 0 && (uint64_t)c->max_tokens < map.size / 64)
        bytes = (size_t)c->max_tokens * 64;
    *out = wkv_malloc((bytes + 1) * sizeof **out);
    if (*out != NULL)
        *n = wkv_tokenizer_encode(t, (const char *)map.data, bytes, *out, bytes);
    wkv_map_close(&map);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", c->text);
    if (*n > bytes)
        *n = bytes;
    if (c->max_tokens > 0 && *n > (uint64_t)c->max_tokens)
        *n = (size_t)c->max_tokens;
    if (*n < 2)
        WKV_FAIL(err, WKV_E_MISSING, "%s: the text to calibrate with has no two tokens", c->text);
    return WKV_OK;
}

static wkv_status check_ids(const int32_t *ids, size_t n, const wkv_session *s, const char *text,
                            wkv_error *err)
{
    const int32_t V = s->model->cfg.dim[WKV_DIM_V];
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= V)
            WKV_FAIL(err, WKV_E_TOKEN,
                     "%s: token %zu is %d, outside of the model's vocabulary of %d", text, i + 1,
                     (int)ids[i], (int)V);
    return WKV_OK;
}

/* Where a model's texts end, this one goes on as another. */
static wkv_status read_text(wkv_session *s, const int32_t *ids, size_t n, const wkv_calibration *c,
                            wkv_error *err)
{
    double logprob[WINDOW];
    const uint64_t longest = (uint64_t)wkv_config_max_length(&s->model->cfg);
    const size_t window = longest > 0 && longest < WINDOW ? (size_t)longest : WINDOW;
    WKV_TRY(check_ids(ids, n, s, c->text, err));
    for (size_t i = 0; i < n; i += window) {
        const size_t m = n - i < window ? n - i : window;
        if (longest > 0 && wkv_session_position(s) + m > longest)
            wkv_session_reset(s);
        const wkv_status status = wkv_session_score(s, ids + i, m, logprob);
        if (status != WKV_OK)
            WKV_FAIL(err, status, "%s: %s", c->text, wkv_status_text(status));
        if (c->progress != NULL && !c->progress(c->user, i + m, n))
            WKV_FAIL(err, WKV_E_STATE, "stopped");
    }
    return WKV_OK;
}

/* Means, and never quite zero: what the text did not use may be used all the same. */
static wkv_status conclude(wkv_importance *out, const watch *k, const wkv_model *m, wkv_error *err)
{
    const double floor_share = 1e-3;
    out->n = wkv_params_count(&m->cfg);
    out->columns = wkv_calloc((size_t)out->n, sizeof *out->columns);
    if (out->columns == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the calibration");
    for (int i = 0; i < out->n; i++) {
        if (k->sum[i] == NULL)
            continue;
        int layer;
        const int cols = wkv_weights_at(&m->weights, &m->cfg, i)->cols;
        double mean = 0;
        char name[WKV_NAME_MAX];
        wkv_param_name(name, wkv_params_at(&m->cfg, i, &layer), layer);
        if (k->rows[i] == 0)
            WKV_FAIL(err, WKV_E_MISSING, "%s was never multiplied with: it cannot be calibrated",
                     name);
        for (int c = 0; c < cols; c++)
            mean += k->sum[i][c] / cols;
        out->columns[i] = wkv_malloc((size_t)cols * sizeof **out->columns);
        if (out->columns[i] == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "out of memory for the calibration");
        for (int c = 0; c < cols; c++)
            out->columns[i][c] =
                mean > 0 ? (float)((k->sum[i][c] + floor_share * mean) / (double)k->rows[i]) : 1;
    }
    return WKV_OK;
}

static wkv_status run(wkv_importance *out, watch *k, wkv_model *m, const wkv_calibration *c,
                      wkv_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    wkv_session *s = NULL;
    wkv_status status = start(k, m, err);
    m->dev = &k->dev;
    if (status == WKV_OK)
        status = encode(&ids, &n, m, c, err);
    if (status == WKV_OK)
        status = wkv_session_open(&s, m, err);
    if (status == WKV_OK)
        status = read_text(s, ids, n, c, err);
    if (status == WKV_OK)
        status = conclude(out, k, m, err);
    out->tokens = n;
    wkv_session_close(&s);
    wkv_free(ids);
    return status;
}

wkv_status wkv_calibrate(wkv_importance *out, const wkv_calibration *c, wkv_error *err)
{
    *out = (wkv_importance){0};
    wkv_model_opts o;
    wkv_model_opts_init(&o);
    o.threads = c->threads;
    o.vocab = c->vocab;
    wkv_model *m;
    WKV_TRY(wkv_model_open(&m, c->model, &o, err));
    watch k = {0};
    wkv_dev *own = m->dev;
    wkv_status status = run(out, &k, m, c, err);
    m->dev = own;
    stop(&k, m);
    wkv_model_close(&m);
    return status;
}

void wkv_importance_deinit(wkv_importance *i)
{
    for (int j = 0; i->columns != NULL && j < i->n; j++)
        wkv_free(i->columns[j]);
    wkv_free(i->columns);
    *i = (wkv_importance){0};
}
