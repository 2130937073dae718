/* arch/config.c - from the tensors of a file, or from a few numbers, to a configuration.
 * The first tensor that mentions a dimension binds it; the one that disagrees is named.
 * This one mechanism infers, validates and guards against hostile shapes. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/checked.h"
#include "base/number.h"
#include "base/strbuf.h"

/* No model comes near these; they keep every product of dimensions inside 64 bits. */
enum { MAX_DIM = 1 << 26, MAX_LAYERS = 1 << 14 };
enum { DEFAULT_WINDOW = 32, DEFAULT_LENGTH = 1024 };

static const char *const dim_name[WKV_DIM_COUNT] = {"1",  "V", "C",      "A",  "H",   "N",
                                                    "F",  "D", "RW",     "RA", "RV",  "RG",
                                                    "RM", "M", "M * RM", "S",  "POS", "RP"};

/* ---- shapes ---------------------------------------------------------------------------- */

static void put_shape(wkv_strbuf *b, const int64_t *dim, int n)
{
    wkv_strbuf_puts(b, "[");
    for (int i = 0; i < n; i++)
        wkv_strbuf_printf(b, "%s%lld", i > 0 ? ", " : "", (long long)dim[i]);
    wkv_strbuf_puts(b, "]");
}

/* "blocks.0.att.key.weight is [769, 768], expected [A = 768, C = 768]" */
static wkv_status shape_error(wkv_error *err, const wkv_config *cfg, const wkv_param *p,
                              const wkv_tensor *t)
{
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_printf(&b, "%s is ", t->name);
    put_shape(&b, t->dim, t->ndim);
    wkv_strbuf_puts(&b, ", expected [");
    for (int j = 0; j < 3 && (p->dims[j] != WKV_DIM_1 || j == 0); j++) {
        int have = cfg->dim[p->dims[j]];
        wkv_strbuf_printf(&b, "%s%s", j > 0 ? ", " : "", dim_name[p->dims[j]]);
        if (have > 0)
            wkv_strbuf_printf(&b, " = %d", have);
    }
    wkv_strbuf_puts(&b, "]");
    wkv_status s = WKV_SET(err, WKV_E_SHAPE, "%s", wkv_strbuf_ok(&b) ? b.data : t->name);
    wkv_strbuf_deinit(&b);
    return s;
}

int wkv_shape_squeeze(int64_t out[WKV_MAX_DIMS], const wkv_tensor *t)
{
    int n = 0;
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] != 1)
            out[n++] = t->dim[i];
    return n;
}

/* The tensor's dimensions as the table's row sees them: as they are when their number is
 * right, else squeezed, then padded with ones.  False when neither fits. */
static bool shape_as(int64_t out[3], const wkv_param *p, const wkv_tensor *t)
{
    int want = 0;
    while (want < 3 && p->dims[want] != WKV_DIM_1)
        want++;
    int64_t squeezed[WKV_MAX_DIMS];
    int n = wkv_shape_squeeze(squeezed, t);
    if (t->ndim != want && n > want)
        return false;
    /* One decay for all of a head may be kept without the dimension of one. */
    bool padded = want > 1 && p->dims[want - 1] == WKV_DIM_D && n == want - 1;
    if (t->ndim != want && n < want && want > 1 && !padded)
        return false;
    for (int j = 0; j < want; j++)
        out[j] = t->ndim == want ? t->dim[j] : j < n ? squeezed[j] : 1;
    for (int j = want; j < 3; j++)
        out[j] = 1;
    return true;
}

/* A vector that a file keeps flat although the table gives it two dimensions (r_k as [C])
 * fits when both are known already. */
static bool flat_fits(const wkv_config *cfg, const wkv_param *p, const wkv_tensor *t)
{
    int64_t product = 1;
    for (int j = 0; j < 3; j++)
        product *= cfg->dim[p->dims[j]];
    return p->kind == WKV_VEC && product > 0 && wkv_tensor_count(t) == product;
}

static wkv_status unify(wkv_config *cfg, const wkv_param *p, const wkv_tensor *t, wkv_error *err)
{
    int64_t dim[3];
    if (!shape_as(dim, p, t)) {
        if (flat_fits(cfg, p, t))
            return WKV_OK;
        return shape_error(err, cfg, p, t);
    }
    for (int j = 0; j < 3; j++) {
        int *bound = &cfg->dim[p->dims[j]];
        if (dim[j] < 1 || dim[j] > MAX_DIM || (*bound != 0 && *bound != dim[j]))
            return shape_error(err, cfg, p, t);
        *bound = (int)dim[j];
    }
    return WKV_OK;
}

wkv_status wkv_config_check(const wkv_config *cfg, const wkv_param *p, const wkv_tensor *t,
                            wkv_error *err)
{
    wkv_config bound = *cfg;
    if (!wkv_dtype_is_weight(t->dtype))
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s is of type %s, not real numbers", t->name,
                 wkv_dtype_of(t->dtype)->name);
    return unify(&bound, p, t, err);
}

/* Weights count rows and columns in ints (set_shape): a vector, or a matrix's rows, may not be
 * more. */
static wkv_status check_count(const wkv_config *cfg, const wkv_param *p, wkv_error *err)
{
    int64_t dim[WKV_MAX_DIMS];
    uint64_t count = 1;
    bool ok = true;
    const int n = wkv_param_shape(cfg, p, dim);
    for (int j = 0; j < (p->kind == WKV_VEC ? n : n - 1); j++)
        ok = ok && wkv_mul_ok(count, (uint64_t)dim[j], &count);
    if (ok && count <= INT_MAX)
        return WKV_OK;
    char name[WKV_NAME_MAX];
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    put_shape(&b, dim, n);
    wkv_param_name(name, p, 0);
    wkv_status s = WKV_SET(
        err, WKV_E_LIMIT, "%s of a model of this shape is %s, expected at most %d %s", name,
        wkv_strbuf_ok(&b) ? b.data : "larger", INT_MAX, p->kind == WKV_VEC ? "numbers" : "rows");
    wkv_strbuf_deinit(&b);
    return s;
}

/* What the version has to say of a configuration, and that all it may have can be counted. */
static wkv_status finish(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    const wkv_arch *a = cfg->arch;
    WKV_TRY(a->finish(cfg, file, err));
    for (int i = 0; i < a->n_once; i++)
        WKV_TRY(check_count(cfg, &a->once[i], err));
    for (int i = 0; i < a->n_layer; i++)
        WKV_TRY(check_count(cfg, &a->layer[i], err));
    return WKV_OK;
}

/* ---- recognising a file --------------------------------------------------------------------- */

wkv_status wkv_arch_recognise(const wkv_arch **out, const wkv_store *file, wkv_error *err)
{
    int best = 0;
    bool tie = false;
    *out = NULL;
    for (size_t i = 0; wkv_arch_at(i) != NULL; i++) {
        int score = wkv_arch_at(i)->probe(file);
        tie = score == best ? tie || score > 0 : score < best && tie;
        if (score > best) {
            best = score;
            *out = wkv_arch_at(i);
        }
    }
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_UNSUPPORTED,
                 "not a model of a known architecture: none of the %zu tensors is the mark of one",
                 wkv_store_count(file));
    if (tie)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "fits more than one architecture equally well");
    return WKV_OK;
}

/* The l of "blocks.l.", at most LONG_MAX; -1 when the name does not begin so. */
static long layer_of(const char *name)
{
    const bool layered = strncmp(name, "blocks.", 7) == 0 && name[7] >= '0' && name[7] <= '9';
    return layered ? strtol(name + 7, NULL, 10) : -1;
}

int wkv_arch_layers(const wkv_store *file)
{
    long layers = 0;
    for (size_t i = 0; i < wkv_store_count(file); i++) {
        const long l = layer_of(wkv_store_at(file, i)->name);
        if (l >= layers && l < MAX_LAYERS)
            layers = l + 1;
    }
    return (int)layers;
}

/* A layer beyond the last that can be would not be missed: it counts for nothing, and the rest is a
 * model. */
static wkv_status check_layers(const wkv_store *file, wkv_error *err)
{
    for (size_t i = 0; i < wkv_store_count(file); i++) {
        const char *name = wkv_store_at(file, i)->name;
        const long l = layer_of(name);
        if (l >= MAX_LAYERS)
            WKV_FAIL(err, WKV_E_LIMIT, "%.80s: expected a layer from 0 to %d, found %ld", name,
                     MAX_LAYERS - 1, l);
    }
    return WKV_OK;
}

bool wkv_config_token_shift(const wkv_arch *arch, const wkv_store *file)
{
    const int layers = wkv_arch_layers(file);
    char name[WKV_NAME_MAX];
    for (int i = 0; i < layers * arch->n_layer; i++) {
        const wkv_param *p = &arch->layer[i % arch->n_layer];
        wkv_param_name(name, p, i / arch->n_layer);
        if (p->need == WKV_SHIFTED && wkv_store_find(file, name) != NULL)
            return true;
    }
    return false;
}

/* An epsilon; *out stays when the file has none.  Another than the model was trained with gives
 * other numbers, so one that cannot be read is not passed over. */
static wkv_status read_epsilon(double *out, const wkv_store *file, const char *key, wkv_error *err)
{
    const char *text = wkv_store_meta(file, key);
    if (text == NULL)
        return WKV_OK;
    char *end;
    const double v = wkv_number_parse(text, &end);
    if (end == text || *end != '\0' || !((float)v > 0.0f && v < 1.0))
        WKV_FAIL(err, WKV_E_FORMAT,
                 "metadata \"%s\": expected a number above 0 and below 1, found \"%.40s\"", key,
                 text);
    *out = v;
    return WKV_OK;
}

static wkv_config empty_config(const wkv_arch *arch, int layers)
{
    return (wkv_config){
        .arch = arch, .layers = layers, .dim[WKV_DIM_1] = 1, .ln_eps = 1e-5, .gn_eps = 64e-5};
}

wkv_status wkv_config_infer(wkv_config *cfg, const wkv_store *file, wkv_error *err)
{
    const wkv_arch *arch;
    WKV_TRY(wkv_arch_recognise(&arch, file, err));
    WKV_TRY(check_layers(file, err));
    *cfg = empty_config(arch, wkv_arch_layers(file));
    cfg->token_shift = wkv_config_token_shift(arch, file);
    WKV_TRY(read_epsilon(&cfg->ln_eps, file, "wkv.ln_eps", err));
    WKV_TRY(read_epsilon(&cfg->gn_eps, file, "wkv.gn_eps", err));
    if (cfg->layers < 1)
        WKV_FAIL(err, WKV_E_MISSING, "%s: no tensor of a layer (\"blocks.0.\")", arch->name);
    int count = wkv_params_count(cfg), layer;
    for (int i = 0; i < count; i++) {
        const wkv_param *p = wkv_params_at(cfg, i, &layer);
        char name[WKV_NAME_MAX];
        wkv_param_name(name, p, layer);
        const wkv_tensor *t = wkv_param_exists(p, layer) ? wkv_store_find(file, name) : NULL;
        if (t != NULL) {
            if (!wkv_dtype_is_weight(t->dtype))
                WKV_FAIL(err, WKV_E_SHAPE, "%s is of type %s, expected a floating point type", name,
                         wkv_dtype_of(t->dtype)->name);
            WKV_TRY(unify(cfg, p, t, err));
        } else if (wkv_param_needed(cfg, p, layer)) {
            WKV_FAIL(err, WKV_E_MISSING, "looks like %s with %d layers, but lacks the tensor %s",
                     arch->name, cfg->layers, name);
        }
    }
    return finish(cfg, file, err);
}

/* ---- a new model ----------------------------------------------------------------------------- */

static bool has_dim(const wkv_param *p, int n, wkv_dim d)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 3; j++)
            if (p[i].dims[j] == d)
                return true;
    return false;
}

/* True when a parameter of the version has this dimension. */
static bool mentions(const wkv_arch *a, wkv_dim d)
{
    return has_dim(a->once, a->n_once, d) || has_dim(a->layer, a->n_layer, d);
}

/* True when the version leaves it to the model whether time mixing has a token shift. */
static bool shift_is_open(const wkv_arch *a)
{
    for (int i = 0; i < a->n_layer; i++)
        if (a->layer[i].need == WKV_SHIFTED)
            return true;
    return false;
}

/* The numbers that only some versions use, where they are given. */
static wkv_status check_reach(const wkv_sizes *n, wkv_error *err)
{
    if (n->window < 0 || n->window > WKV_MAX_REACH)
        WKV_FAIL(err, WKV_E_ARGUMENT, "window: expected 0 (the default) to %d tokens, found %d",
                 WKV_MAX_REACH, n->window);
    if (n->length < 0 || n->length > WKV_MAX_REACH)
        WKV_FAIL(err, WKV_E_ARGUMENT, "length: expected 0 (the default) to %d tokens, found %d",
                 WKV_MAX_REACH, n->length);
    return WKV_OK;
}

wkv_status wkv_config_new(wkv_config *cfg, const wkv_arch *arch, const wkv_sizes *n, wkv_error *err)
{
    if (n->layers < 1 || n->layers > MAX_LAYERS)
        WKV_FAIL(err, WKV_E_ARGUMENT, "layers: expected 1 to %d, found %d", MAX_LAYERS, n->layers);
    if (n->width < 1 || n->width > 1 << 20)
        WKV_FAIL(err, WKV_E_ARGUMENT, "width: expected 1 to %d, found %d", 1 << 20, n->width);
    if (n->vocab < 1 || n->vocab > MAX_DIM)
        WKV_FAIL(err, WKV_E_ARGUMENT, "vocabulary: expected 1 to %d ids, found %d", MAX_DIM,
                 n->vocab);
    WKV_TRY(check_reach(n, err));
    *cfg = empty_config(arch, n->layers);
    cfg->dim[WKV_DIM_V] = n->vocab;
    cfg->dim[WKV_DIM_C] = n->width;
    cfg->dim[WKV_DIM_A] = n->width;
    if (arch->has_heads) {
        if (n->head_size < 1 || n->width % n->head_size != 0)
            WKV_FAIL(err, WKV_E_ARGUMENT, "head size: expected a divisor of the width %d, found %d",
                     n->width, n->head_size);
        cfg->dim[WKV_DIM_N] = n->head_size;
        cfg->dim[WKV_DIM_H] = n->width / n->head_size;
    }
    if (mentions(arch, WKV_DIM_S))
        cfg->dim[WKV_DIM_S] = n->window > 0 ? n->window : DEFAULT_WINDOW;
    if (mentions(arch, WKV_DIM_POS))
        cfg->dim[WKV_DIM_POS] = n->length > 0 ? n->length : DEFAULT_LENGTH;
    cfg->token_shift = n->token_shift && shift_is_open(arch);
    arch->shape(cfg);
    return finish(cfg, NULL, err);
}

int wkv_config_max_length(const wkv_config *cfg)
{
    return cfg->arch->is_bounded ? cfg->dim[WKV_DIM_POS] : 0;
}

/* ---- metadata -------------------------------------------------------------------------------- */

static void add_pair(wkv_config_meta *m, const char *key, const char *value)
{
    char *text = m->text[m->n];
    snprintf(text, sizeof m->text[0], "%s", value);
    m->pair[m->n++] = (wkv_meta){key, text, strlen(text)};
}

static void add_number(wkv_config_meta *m, const char *key, double value)
{
    char text[32];
    wkv_number_print(text, sizeof text, "%.9g", value);
    add_pair(m, key, text);
}

void wkv_config_to_meta(wkv_config_meta *m, const wkv_config *cfg)
{
    m->n = 0;
    add_pair(m, "wkv.format", "1");
    add_pair(m, "wkv.arch", cfg->arch->name);
    add_number(m, "wkv.layers", cfg->layers);
    add_number(m, "wkv.width", cfg->dim[WKV_DIM_C]);
    if (cfg->dim[WKV_DIM_N] > 0)
        add_number(m, "wkv.head_size", cfg->dim[WKV_DIM_N]);
    if (cfg->dim[WKV_DIM_S] > 0)
        add_number(m, "wkv.window", cfg->dim[WKV_DIM_S]);
    if (cfg->dim[WKV_DIM_POS] > 0)
        add_number(m, "wkv.positions", cfg->dim[WKV_DIM_POS]);
    if (cfg->token_shift)
        add_pair(m, "wkv.token_shift", "1");
    add_number(m, "wkv.vocab_size", cfg->dim[WKV_DIM_V]);
    add_number(m, "wkv.ln_eps", cfg->ln_eps);
    add_number(m, "wkv.gn_eps", cfg->gn_eps);
}
