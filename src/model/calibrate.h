/* model/calibrate.h - how much each input column of each matrix is used: the mean square of
 * what is multiplied with it while the model reads a text. */
#ifndef WKV_MODEL_CALIBRATE_H
#define WKV_MODEL_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"

typedef struct wkv_importance {
    float **columns; /* for each parameter, (inputs) or NULL */
    int n;
    uint64_t tokens; /* that were read */
} wkv_importance;

typedef struct wkv_calibration {
    const char *model, *text; /* paths */
    const char *vocab;        /* for a model that carries none, or NULL */
    int threads;
    int64_t max_tokens;                                            /* 0: the whole text */
    bool (*progress)(void *user, uint64_t tokens, uint64_t total); /* or NULL; false: stop */
    void *user;
} wkv_calibration;

/* Runs the model over the text.  E_STATE when progress said stop, E_MISSING when the text is
 * empty, the model has no tokenizer or a matrix was never multiplied with.  *out is released
 * with wkv_importance_deinit, on failure too. */
wkv_status wkv_calibrate(wkv_importance *out, const wkv_calibration *c, wkv_error *err);
void wkv_importance_deinit(wkv_importance *i);

#endif
