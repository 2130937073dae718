/* store/rwkvcpp.h - what the reader and the writer of rwkv.cpp's files share. */
#ifndef WKV_STORE_RWKVCPP_H
#define WKV_STORE_RWKVCPP_H

#include "store/format.h"

enum { WKV_RWKVCPP_MAGIC = 0x67676d66, WKV_RWKVCPP_HEADER = 24 };

/* The number of a type in the format, -1 when it has none; and the type of a number,
 * WKV_DTYPE_COUNT when it has none. */
int wkv_rwkvcpp_dtype_number(wkv_dtype t);
wkv_dtype wkv_rwkvcpp_dtype(uint32_t number);

/* rwkvcpp_write.c */
wkv_status wkv_rwkvcpp_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err);

#endif
