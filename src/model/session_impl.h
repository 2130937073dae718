/* model/session_impl.h - what is inside a session: the state of one sequence, the logits
 * after its last token, and the memory that a pass works in. */
#ifndef WKV_MODEL_SESSION_IMPL_H
#define WKV_MODEL_SESSION_IMPL_H

#include <wkv/session.h>

#include "model/model_impl.h"

struct wkv_session {
    const wkv_model *model; /* borrowed */
    size_t state_size;      /* reals at state */
    real *state;
    float *logits;      /* (V) of the last token fed */
    bool has_logits;    /* false before the first token */
    uint64_t position;  /* tokens fed since the initial state */
    bool counts_unread; /* somebody has asked for it: */
    uint64_t unread;    /* bytes of weights that no token needed (unstable.h) */
    bool bare;          /* without memory to feed in: for batches */
    bool listed;        /* while a batch looks through its items: among those seen */
    wkv_arena own;      /* sized when the session opens; feeding allocates nothing else */
    wkv_arena *scratch; /* the one in use: own, or a batch's */
};

enum { WKV_SESSION_PIECE = 256 }; /* rows of one forward pass at most */

/* A session that only batches feed. */
wkv_status wkv_session_open_bare(wkv_session **out, const wkv_model *m, wkv_error *err);

/* Whether these tokens can be fed: E_TOKEN, E_LIMIT or E_ARGUMENT before anything changes. */
wkv_status wkv_session_check(const wkv_session *s, const int32_t *tokens, size_t n);

/* Feeds checked tokens; computes the logits of the last when they are the last of all.  The
 * position is the caller's to move. */
void wkv_session_advance(wkv_session *s, wkv_arena *scratch, const int32_t *tokens, size_t n,
                         bool last);

/* Raises the peak of a measuring arena to what wkv_session_advance takes. */
void wkv_session_measure(wkv_arena *scratch, const wkv_model *m);

/* Makes logits (V) those that the session answers with. */
void wkv_session_keep_logits(wkv_exec *x, wkv_session *s, const real *logits);

#endif
