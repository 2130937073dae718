/* train/trial.c - letting the model under training go on with a text: one sequence, with a state
 * and an arena of its own, so that training does not notice. */
#include "base/mem.h"
#include "train/trainer.h"

enum { PIECE = 16 /* rows that are fed at a time */ };

struct wkv_trial {
    wkv_trainer *t; /* borrowed */
    wkv_arena scratch;
    real *state;
    float *logits;
    uint64_t position;
    bool has_logits;
};

/* Advances the state over the ids; the logits of the last into s->logits. */
static void feed_piece(wkv_trial *s, const int32_t *ids, int rows)
{
    const wkv_config *cfg = &s->t->cfg;
    const size_t C = (size_t)cfg->dim[WKV_DIM_C], V = (size_t)cfg->dim[WKV_DIM_V];
    const int32_t start[2] = {0, rows};
    wkv_arena_reset(&s->scratch, 0);
    wkv_pass pass = {
        .exec = {.dev = s->t->dev, .scratch = &s->scratch},
        .cfg = cfg,
        .weights = &s->t->weights,
        .seqs = {.n = 1, .start = start},
        .ids = ids,
        .state = &s->state,
        .hidden = wkv_arena_reals(&s->scratch, (size_t)rows * C),
    };
    wkv_forward(&pass);
    real *logits = wkv_arena_reals(&s->scratch, V);
    wkv_head(&pass.exec, pass.weights, logits, pass.hidden + (size_t)(rows - 1) * C, 1);
    for (size_t i = 0; !wkv_exec_measuring(&pass.exec) && i < V; i++)
        s->logits[i] = (float)logits[i];
}

/* The most scratch that a piece of any length takes. */
static size_t measure(wkv_trial *s)
{
    static const int32_t ids[PIECE] = {0};
    size_t most = 0;
    for (int rows = 1; rows <= PIECE; rows++) {
        wkv_arena_measure(&s->scratch);
        feed_piece(s, ids, rows);
        most = s->scratch.peak > most ? s->scratch.peak : most;
    }
    return most;
}

wkv_status wkv_trial_open(wkv_trial **out, wkv_trainer *t, wkv_error *err)
{
    *out = NULL;
    wkv_trial *s = wkv_calloc(1, sizeof *s);
    if (s == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a trial");
    s->t = t;
    s->state = wkv_calloc(t->cfg.arch->state_size(&t->cfg), sizeof *s->state);
    s->logits = wkv_calloc((size_t)t->cfg.dim[WKV_DIM_V], sizeof *s->logits);
    if (s->state == NULL || s->logits == NULL || !wkv_arena_init(&s->scratch, measure(s))) {
        wkv_trial_close(&s);
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a trial");
    }
    wkv_trial_reset(s);
    *out = s;
    return WKV_OK;
}

void wkv_trial_close(wkv_trial **s)
{
    if (*s == NULL)
        return;
    wkv_arena_deinit(&(*s)->scratch);
    wkv_free((*s)->state);
    wkv_free((*s)->logits);
    wkv_free(*s);
    *s = NULL;
}

void wkv_trial_reset(wkv_trial *s)
{
    wkv_state_start(&s->t->cfg, &s->t->weights, s->state);
    s->position = 0;
    s->has_logits = false;
}

wkv_status wkv_trial_feed(wkv_trial *s, const int32_t *tokens, size_t n)
{
    const int longest = wkv_config_max_length(&s->t->cfg);
    if (n == 0)
        return WKV_E_ARGUMENT;
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= s->t->cfg.dim[WKV_DIM_V])
            return WKV_E_TOKEN;
    if (longest > 0 && n > (uint64_t)longest - s->position)
        return WKV_E_LIMIT;
    for (size_t at = 0; at < n; at += PIECE)
        feed_piece(s, tokens + at, n - at < PIECE ? (int)(n - at) : PIECE);
    s->position += n;
    s->has_logits = true;
    return WKV_OK;
}

const float *wkv_trial_logits(const wkv_trial *s)
{
    return s->has_logits ? s->logits : NULL;
}
