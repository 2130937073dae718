/* store/safetensors.h - what the reader and the writer of .safetensors share. */
#ifndef WKV_STORE_SAFETENSORS_H
#define WKV_STORE_SAFETENSORS_H

#include "store/format.h"

wkv_status wkv_safetensors_write(wkv_writer *w, const wkv_store_out *what, wkv_error *err);

#endif
