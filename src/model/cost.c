/* model/cost.c - what feeding takes at least: bytes to be read, operations to be done.
 *
 * Counted from the weights as they lie at work, so that a number says what the memory and the
 * arithmetic units have to do, whatever the file looks like.  Norms, mixes and recurrences are
 * some per cent of the operations, and their activations stay in the caches: not counted. */
#include <wkv/unstable.h>

#include "model/session_impl.h"

/* Matrices by who meets them: all rows, only the last row of a sequence (the head), or none
 * (the embedding, of which a row is looked up). */
static void add_weight(wkv_cost *cost, const wkv_model *m, int i, double rows, double last_rows)
{
    int layer;
    const wkv_param *p = wkv_params_at(&m->cfg, i, &layer);
    const wkv_weight *w = wkv_weights_at(&m->weights, &m->cfg, i);
    const wkv_role role = wkv_param_role(p);
    if (w->data == NULL || (role == WKV_ROLE_HEAD && last_rows == 0))
        return;
    const uint64_t count = (uint64_t)w->rows * (uint64_t)w->cols;
    const bool packed = w->layout != WKV_LAYOUT_NONE;
    uint64_t bytes = 0;
    if (packed)
        bytes = m->dev->packed_size(w);
    else
        wkv_dtype_bytes(w->dtype, role == WKV_ROLE_EMBED ? (uint64_t)w->cols : count, &bytes);
    cost->bytes += (double)bytes * (role == WKV_ROLE_EMBED ? rows : 1);
    if (p->kind != WKV_MAT && p->kind != WKV_LOW)
        return;
    const double ops = 2.0 * (double)count * (role == WKV_ROLE_HEAD ? last_rows : rows);
    const bool bytewise = packed && w->layout != WKV_LAYOUT_T;
    *(bytewise ? &cost->byte_ops : &cost->float_ops) += ops;
}

/* One pass over `rows` rows of `sequences` sequences, for `last_rows` of which logits are made. */
static void add_pass(wkv_cost *cost, const wkv_model *m, double sequences, double rows,
                     double last_rows)
{
    for (int i = 0; i < wkv_params_count(&m->cfg); i++)
        add_weight(cost, m, i, rows, last_rows);
    cost->bytes += 2 * sequences * (double)m->info.state_bytes;
}

void wkv_model_cost(const wkv_model *m, int32_t sequences, int32_t tokens, wkv_cost *out)
{
    *out = (wkv_cost){0};
    if (tokens <= WKV_FEW_ROWS) {
        add_pass(out, m, sequences, (double)sequences * tokens, sequences);
        return;
    }
    wkv_cost one = {0};
    for (int32_t i = 0; i < tokens; i += WKV_SESSION_PIECE) {
        const int32_t left = tokens - i;
        const bool last = left <= WKV_SESSION_PIECE;
        add_pass(&one, m, 1, last ? left : WKV_SESSION_PIECE, last ? 1 : 0);
    }
    out->bytes = one.bytes * sequences;
    out->byte_ops = one.byte_ops * sequences;
    out->float_ops = one.float_ops * sequences;
}

uint64_t wkv_session_unread(wkv_session *s)
{
    s->counts_unread = true;
    return s->unread;
}
