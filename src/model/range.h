/* model/range.h - the values of a tensor, looked at in pieces on all processors. */
#ifndef WKV_MODEL_RANGE_H
#define WKV_MODEL_RANGE_H

#include <wkv/file.h>

#include "store/tensor.h"

/* t's type is one of real numbers. */
void wkv_tensor_range(wkv_file_range *out, const wkv_tensor *t);

/* t as the public interface shows it; the name stays the store's. */
void wkv_tensor_show(wkv_file_tensor *out, const wkv_tensor *t);

#endif
