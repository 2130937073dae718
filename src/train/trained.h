/* train/trained.h - what a run trains: named tensors, one after the other in flat arrays of one
 * layout (optim.h).  All else of a model is frozen: it has no gradient, no moments and no
 * place in a checkpoint. */
#ifndef WKV_TRAIN_TRAINED_H
#define WKV_TRAIN_TRAINED_H

#include "arch/arch.h"

typedef struct wkv_trained_tensor {
    char name[WKV_NAME_MAX];
    int ndim;
    int64_t dim[WKV_MAX_DIMS];
    size_t at, n; /* its place in the arrays, in reals; it starts on a cache line */
    double lr_scale;
    bool decays;
} wkv_trained_tensor;

typedef struct wkv_trained {
    wkv_trained_tensor *tensor;
    size_t n;    /* tensors */
    size_t size; /* reals of an array, gaps included */
    size_t room;
} wkv_trained;

/* Room for so many tensors.  Zero *s before; deinit in any case.  E_MEMORY. */
wkv_status wkv_trained_init(wkv_trained *s, size_t room, wkv_error *err);
void wkv_trained_deinit(wkv_trained *s);

/* The next tensor, placed behind those before it; its name, rate and decay are the caller's to
 * fill. */
wkv_trained_tensor *wkv_trained_add(wkv_trained *s, const int64_t *dim, int ndim);

/* Parameter i of the table, behind those before it: the layout of wkv_weights_flat. */
void wkv_trained_add_param(wkv_trained *s, const wkv_config *cfg, int i);

/* Parameters in all, gaps not counted. */
uint64_t wkv_trained_count(const wkv_trained *s);

/* The tensors as they lie in `array`, with `prefix` before their names: s->n of them in out,
 * their names in names, each of which has room for `name_bytes`. */
void wkv_trained_view(const wkv_trained *s, const real *array, const char *prefix, wkv_tensor *out,
                      char *names, size_t name_bytes);

#endif
