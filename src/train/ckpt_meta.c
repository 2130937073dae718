/* train/ckpt_meta.c - see ckpt_meta.h.
 *
 * One list describes the run, as text: written when saving, and compared, pair by pair,
 * when restoring, so that what is saved and what is checked cannot drift apart.  Numbers
 * are printed with as many digits as bring them back exactly. */
#include "train/ckpt_meta.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "base/number.h"

#define KEY_VERSION "train.checkpoint"
#define KEY_STEP "train.step"
#define KEY_TAKEN "train.guard_taken"
#define KEY_SKIPPED "train.guard_skipped"
#define KEY_IN_ROW "train.guard_in_row"
#define KEY_GUARD "train.guard_last"
#define KEY_TENSORS "train.tensors_crc32c"
#define KEY_TABLE "train.table_crc32c"
#define KEY_SEAL "train.meta_crc32c"
static const char VERSION[] = "2";

/* ---- writing ------------------------------------------------------------------------------ */

WKV_PRINTF(3, 4)
static void add(wkv_ckpt_meta *m, const char *key, const char *format, ...)
{
    char *text = m->text[m->n];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, WKV_CKPT_TEXT, format, args);
    va_end(args);
    m->pair[m->n++] = (wkv_meta){key, text, (size_t)len};
}

static void add_real(wkv_ckpt_meta *m, const char *key, double value)
{
    char text[WKV_CKPT_TEXT];
    wkv_number_print(text, sizeof text, "%.17g", value);
    add(m, key, "%s", text);
}

static void add_int(wkv_ckpt_meta *m, const char *key, int64_t value)
{
    add(m, key, "%" PRId64, value);
}

static void add_tuning(wkv_ckpt_meta *m, const wkv_trainer *t)
{
    static const char *const names[] = {
        [WKV_TUNE_LORA] = "lora", [WKV_TUNE_PISSA] = "pissa", [WKV_TUNE_STATE] = "state"};
    const wkv_train_opts *o = &t->opts;
    if (o->tune == WKV_TUNE_FULL)
        return;
    add(m, "train.tune", "%s", names[o->tune]);
    add(m, "train.base_crc32c", "%08" PRIx32, t->tuning.base_crc);
    if (o->tune != WKV_TUNE_STATE)
        add_int(m, "train.rank", o->rank);
    if (o->tune == WKV_TUNE_LORA)
        add_real(m, "train.lora_alpha", o->lora_alpha);
}

/* What is computed again from rounded numbers differs from what was rounded. */
static const char *rounding(const wkv_work_opts *o)
{
    if (!o->bf16 || o->recompute == WKV_RECOMPUTE_FULL)
        return "";
    return o->recompute == WKV_RECOMPUTE_LIGHT ? ", activations bf16, light" : ", activations bf16";
}

/* What a resumed run must have in common with the one that saved. */
static void add_shape(wkv_ckpt_meta *m, const wkv_trainer *t)
{
    static const char *const rows[] = {
        [WKV_ROWS_STREAM] = "stream", [WKV_ROWS_PACK] = "pack", [WKV_ROWS_CARRY] = "carry"};
    const wkv_train_opts *o = &t->opts;
    add(m, KEY_VERSION, "%s", VERSION);
    wkv_config_to_meta(&m->config, &t->cfg);
    for (size_t i = 0; i < m->config.n; i++)
        m->pair[m->n++] = m->config.pair[i];
    add_tuning(m, t);
    add(m, "train.tokens", "%" PRIu64, t->train.tokens);
    add(m, "train.data_crc32c", "%08" PRIx32, wkv_trainer_fingerprint(t));
    add(m, "train.weights_crc32c", "%08" PRIx32,
        wkv_crc32c(0, t->train.weight, (size_t)t->train.n * sizeof t->train.weight[0]));
    add_int(m, "train.ctx", o->ctx);
    add_int(m, "train.batch", o->batch);
    add_int(m, "train.micro_batch", t->work.o.piece);
    add(m, "train.order", "%s", o->order == WKV_ORDER_RANDOM ? "random" : "sequential");
    add(m, "train.rows", "%s", rows[o->rows]);
    add_int(m, "train.bptt", o->bptt);
    add_int(m, "train.steps", o->steps);
    add_real(m, "train.lr", o->lr);
    add_real(m, "train.lr_final", o->lr_final);
    add_int(m, "train.warmup", o->warmup);
    add_real(m, "train.weight_decay", o->weight_decay);
    add_real(m, "train.beta1", o->beta1);
    add_real(m, "train.beta2", o->beta2);
    add_real(m, "train.adam_eps", o->adam_eps);
    add_real(m, "train.clip", o->clip);
    add(m, "train.seed", "%" PRIu64, o->seed);
    add(m, "train.arithmetic", "%s%s", wkv_dtype_of(WKV_DTYPE_REAL)->name, rounding(&t->work.o));
    m->n_shape = m->n;
}

static bool is_ours(const char *key)
{
    return strncmp(key, "wkv.", 4) == 0 || strncmp(key, "train.", 6) == 0;
}

/* A sum, so that the order in which a format keeps metadata does not matter. */
static uint32_t seal(uint32_t sum, const wkv_meta *pair)
{
    if (!is_ours(pair->key) || strcmp(pair->key, KEY_SEAL) == 0)
        return sum;
    uint32_t crc = wkv_crc32c(0, pair->key, strlen(pair->key) + 1);
    return sum + wkv_crc32c(crc, pair->value, pair->value_len);
}

void wkv_ckpt_meta_fill(wkv_ckpt_meta *m, const wkv_trainer *t, wkv_ckpt_crc crc)
{
    m->n = 0;
    add_shape(m, t);
    add_int(m, KEY_STEP, t->step);
    add(m, KEY_TAKEN, "%" PRIu64, t->guard.taken);
    add_int(m, KEY_SKIPPED, t->guard.skipped);
    add_int(m, KEY_IN_ROW, t->guard.in_row);
    wkv_guard_format(&t->guard, m->guard);
    m->pair[m->n++] = (wkv_meta){KEY_GUARD, m->guard, WKV_GUARD_TEXT - 1};
    add(m, KEY_TENSORS, "%08" PRIx32, crc.values);
    add(m, KEY_TABLE, "%08" PRIx32, crc.table);
    uint32_t sum = 0;
    for (size_t i = 0; i < m->n; i++)
        sum = seal(sum, &m->pair[i]);
    add(m, KEY_SEAL, "%08" PRIx32, sum);
}

/* ---- checking -------------------------------------------------------------------------------- */

static wkv_status check_seal(const wkv_store *file, wkv_error *err)
{
    const char *version = wkv_store_meta(file, KEY_VERSION);
    const char *stored = wkv_store_meta(file, KEY_SEAL);
    if (version == NULL || stored == NULL)
        WKV_FAIL(err, WKV_E_FORMAT, "%s: not a training checkpoint", wkv_store_path(file));
    uint32_t sum = 0;
    for (size_t i = 0; i < wkv_store_meta_count(file); i++)
        sum = seal(sum, wkv_store_meta_at(file, i));
    char text[WKV_CKPT_TEXT];
    snprintf(text, sizeof text, "%08" PRIx32, sum);
    if (strcmp(text, stored) != 0)
        WKV_FAIL(err, WKV_E_FORMAT, "%s: damaged: its metadata do not match their checksum",
                 wkv_store_path(file));
    if (strcmp(version, VERSION) != 0)
        WKV_FAIL(err, WKV_E_UNSUPPORTED, "%s: checkpoint version %.32s, expected %s",
                 wkv_store_path(file), version, VERSION);
    return WKV_OK;
}

/* "train.lr_final" -> "lr_final". */
static const char *option_name(const char *key)
{
    const char *dot = strchr(key, '.');
    return dot != NULL ? dot + 1 : key;
}

wkv_status wkv_ckpt_meta_check(const wkv_store *file, const wkv_trainer *t, uint32_t table,
                               wkv_error *err)
{
    char text[WKV_CKPT_TEXT];
    WKV_TRY(check_seal(file, err));
    wkv_ckpt_meta mine = {.n = 0};
    add_shape(&mine, t);
    for (size_t i = 0; i < mine.n_shape; i++) {
        const wkv_meta *want = &mine.pair[i];
        const char *found = wkv_store_meta(file, want->key);
        if (found == NULL || strcmp(found, want->value) != 0)
            WKV_FAIL(err, WKV_E_SHAPE, "%s: saved by a run with %s = %.64s, this one has %s",
                     wkv_store_path(file), option_name(want->key),
                     found != NULL ? found : "(nothing)", want->value);
    }
    const char *stored = wkv_store_meta(file, KEY_TABLE);
    snprintf(text, sizeof text, "%08" PRIx32, table);
    if (stored != NULL && strcmp(stored, text) != 0)
        WKV_FAIL(err, WKV_E_SHAPE,
                 "%s: saved by a run that trains other tensors: its init or lora-targets differ "
                 "from this one's",
                 wkv_store_path(file));
    return WKV_OK;
}

/* A whole number in the given base, between 0 and most. */
static bool parse(const char *text, int base, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    if (text == NULL || *text == '\0' || *text == '-')
        return false;
    *out = strtoull(text, &end, base);
    return *end == '\0' && *out <= most;
}

static bool parse_guard(const wkv_store *file, uint64_t steps, wkv_guard *g)
{
    uint64_t skipped, in_row;
    if (!parse(wkv_store_meta(file, KEY_TAKEN), 10, steps, &g->taken) ||
        !parse(wkv_store_meta(file, KEY_SKIPPED), 10, steps, &skipped) ||
        !parse(wkv_store_meta(file, KEY_IN_ROW), 10, INT32_MAX, &in_row) ||
        !wkv_guard_parse(g, wkv_store_meta(file, KEY_GUARD)))
        return false;
    g->skipped = (int64_t)skipped;
    g->in_row = (int32_t)in_row;
    return true;
}

wkv_status wkv_ckpt_meta_state(const wkv_store *file, int64_t steps, wkv_ckpt_state *s,
                               wkv_error *err)
{
    uint64_t step, crc;
    if (!parse(wkv_store_meta(file, KEY_STEP), 10, (uint64_t)steps, &step) ||
        !parse(wkv_store_meta(file, KEY_TENSORS), 16, UINT32_MAX, &crc) ||
        !parse_guard(file, step, &s->guard))
        WKV_FAIL(err, WKV_E_FORMAT, "%s: one of %s, %s and %s... is absent or out of range",
                 wkv_store_path(file), KEY_STEP, KEY_TENSORS, "train.guard_");
    s->step = (int64_t)step;
    s->tensors_crc = (uint32_t)crc;
    s->has_table = wkv_store_meta(file, KEY_TABLE) != NULL;
    return WKV_OK;
}
