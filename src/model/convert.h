/* model/convert.h - a conversion that somebody else takes part in: quantisation, merging. */
#ifndef WKV_MODEL_CONVERT_H
#define WKV_MODEL_CONVERT_H

#include <wkv/file.h>

#include "arch/arch.h"
#include "store/tensor.h"

typedef struct wkv_convert_hook {
    void *user;
    /* Called when the input is open and before anything is written.  cfg is NULL when the
     * input is no model. */
    wkv_status (*prepare)(void *user, const wkv_store *in, const wkv_config *cfg,
                          const char *format, wkv_error *err);
    const wkv_store_quantiser *quantiser; /* or NULL */
    /* NULL, or the tensors, prepared before, that take the place of the input's of their names
     * or join them; they and their data stay the hook's. */
    size_t (*changed)(void *user, const wkv_tensor **list);
} wkv_convert_hook;

/* wkv_convert, with a hook or NULL. */
wkv_status wkv_convert_through(const char *in, const char *out, const wkv_convert_opts *opts,
                               const wkv_convert_hook *hook, wkv_error *err);

#endif
