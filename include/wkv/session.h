/* wkv/session.h - one running text: a model's recurrent state and its scratch.
 *
 * A session borrows its model, which must outlive it.  Many sessions may share a
 * model; one session must not be used from two threads at the same time.  After
 * opening, feeding takes no memory, but where oneDNN does products of several tokens (processors
 * with AVX-512 but no AMX): it makes its code at the first of them and copies factors.  Where it is
 * refused memory the library does the product itself, and last bits of results may differ. */
#ifndef WKV_SESSION_H
#define WKV_SESSION_H

#include <wkv/model.h>

WKV_BEGIN

typedef struct wkv_session wkv_session;

/* Opens a session at the model's initial state.  The caller owns *out; on failure
 * *out is NULL and err, when not NULL, says why. */
WKV_API wkv_status wkv_session_open(wkv_session **out, const wkv_model *m, wkv_error *err);
WKV_API void wkv_session_close(wkv_session **s);

/* Feeds n >= 1 tokens; the logits of the last are then readable.  E_TOKEN when an id
 * is outside the vocabulary, E_LIMIT when the text would become longer than the model's
 * max_length: the state is then unchanged. */
WKV_API wkv_status wkv_session_feed(wkv_session *s, const int32_t *tokens, size_t n);

/* As feed, and writes to logprob[i] (n of them) the natural logarithm of the
 * probability that the model gave tokens[i] before seeing it.  The first one needs
 * logits of an earlier feed and is NaN at the start of a session. */
WKV_API wkv_status wkv_session_score(wkv_session *s, const int32_t *tokens, size_t n,
                                     double *logprob);

/* As feed, and calls each for every token, i from 0 to n - 1, with the logits behind it (vocab of
 * them, valid during the call, in which the session must not be used): a whole distribution for
 * each, at the speed of a prompt. */
WKV_API wkv_status wkv_session_feed_each(wkv_session *s, const int32_t *tokens, size_t n,
                                         void (*each)(void *user, size_t i, const float *logits),
                                         void *user);

/* Logits of the last token fed (wkv_model_info.vocab of them); owned by the session,
 * valid until its next call.  NULL before the first token. */
WKV_API const float *wkv_session_logits(const wkv_session *s);

/* Tokens fed since the initial state, saved and restored with it. */
WKV_API uint64_t wkv_session_position(const wkv_session *s);

/* Back to the initial state. */
WKV_API void wkv_session_reset(wkv_session *s);

/* Makes `to` continue where `from` stands.  Both must be sessions of one model. */
WKV_API wkv_status wkv_session_copy(wkv_session *to, const wkv_session *from);

/* Saves state, position and logits to a file, atomically; loads them back, bit for
 * bit.  E_SHAPE when the file is of another model; the session is then unchanged.  A model is known
 * by its configuration, its last norm and its adapter: one that differs in nothing of these is taken
 * for the same. */
WKV_API wkv_status wkv_session_save(const wkv_session *s, const char *path, wkv_error *err);
WKV_API wkv_status wkv_session_load(wkv_session *s, const char *path, wkv_error *err);

WKV_END
#endif
