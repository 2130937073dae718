/* store/canon.h - how readers turn what a file holds into the canonical form
 * (docs/file-format.md): other shapes, transposed views, joined tensors taken apart.
 *
 * Views cost nothing; only what cannot be a view is computed anew, on the store's heap. */
#ifndef WKV_STORE_CANON_H
#define WKV_STORE_CANON_H

#include "store/format.h"

bool wkv_ends_with(const char *s, const char *end);

/* True for v0, v1 and v2 of RWKV-7's first layer, which has no use for a value residual. */
bool wkv_canon_unused(const char *name);

/* Gives a contiguous tensor another shape with the same number of elements; the last
 * 3 - ndim sizes are ignored. */
void wkv_canon_reshape(wkv_tensor *t, int ndim, int64_t d0, int64_t d1, int64_t d2);

/* Replaces the elements of t by F32 ones of its own on the heap, which *out points to. */
wkv_status wkv_canon_floats(wkv_store *s, wkv_tensor *t, float **out, wkv_error *err);

/* Swaps the last two dimensions; block types, which have no strides, become F32. */
wkv_status wkv_canon_transpose(wkv_store *s, wkv_tensor *t, wkv_error *err);

/* Adds a contiguous tensor of as many vectors as there are letters, one after the other,
 * as tensors of [1, 1, C] called `stem` and a letter. */
wkv_status wkv_canon_add_split(wkv_store *s, const wkv_tensor *joined, const char *stem,
                               const char *letters, wkv_error *err);

#endif
