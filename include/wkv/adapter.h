/* wkv/adapter.h - making an adapter or an initial state a part of the model that it is for.
 * To apply one without writing a new model: wkv_model_opts. */
#ifndef WKV_ADAPTER_H
#define WKV_ADAPTER_H

#include <stdbool.h>
#include <wkv/status.h>

WKV_BEGIN

typedef struct wkv_merge_opts {
    double alpha;       /* of a LoRA; 0: as the adapter's file says */
    const char *init;   /* where a PiSSA run began, when that is in another file; or NULL */
    const char *format; /* of out, as in wkv_convert_opts; NULL: by the suffix */
    const char *dtype;  /* of the matrices of out: "f32", "f16", "bf16"; NULL: as in base */
    int32_t threads;    /* 0: one for each core the process may use */
    int32_t reserved32;
    /* Told how far it is, unless it is NULL, in bytes of the matrices that the adapter changes, and
     * then of all tensors that are written; when it returns false, the call ends with E_STATE and
     * leaves nothing. */
    void *user;
    bool (*on_progress)(void *user, bool merging, uint64_t done, uint64_t total);
    uint64_t reserved[2];
} wkv_merge_opts;

WKV_API void wkv_merge_opts_init(wkv_merge_opts *o);

/* Writes the model `base` with what `piece` does to it, atomically.  A LoRA or PiSSA adapter is
 * added to the matrices; E_UNSUPPORTED when these are of a quantised type and dtype names no
 * other.  Initial states become tensors of the model (blocks.N.att.time_state), with which its
 * sessions start; E_UNSUPPORTED for formats of which no reader knows them.  opts may be NULL. */
WKV_API wkv_status wkv_merge(const char *base, const char *piece, const char *out,
                             const wkv_merge_opts *opts, wkv_error *err);

WKV_END
#endif
