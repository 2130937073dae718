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
    float *logits;     /* (V) of the last token fed */
    bool has_logits;   /* false before the first token */
    uint64_t position; /* tokens fed since the initial state */
    wkv_arena scratch; /* sized when the session opens; feeding allocates nothing else */
};

#endif
