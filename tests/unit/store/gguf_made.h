/* tests/unit/store/gguf_made.h - GGUF files made byte by byte, whole and damaged ones. */
#ifndef WKV_TESTS_GGUF_MADE_H
#define WKV_TESTS_GGUF_MADE_H

#include <stdint.h>

#include "base/strbuf.h"

/* Types of metadata values, and of tensors. */
enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};
enum { GGUF_TYPE_F32 = 0, GGUF_TYPE_F16 = 1, GGUF_TYPE_Q8_0 = 8, GGUF_TYPE_I8 = 24 };

/* These add to b. */
/* The lowest n bytes of v. */
void gguf_put(wkv_strbuf *b, uint64_t v, size_t n);
void gguf_put_string(wkv_strbuf *b, const char *s);
/* A key, whose value of this type follows. */
void gguf_key(wkv_strbuf *b, const char *name, uint32_t type);
/* A whole metadata value. */
void gguf_number(wkv_strbuf *b, const char *name, uint32_t type, uint64_t v, size_t n);
void gguf_string(wkv_strbuf *b, const char *name, const char *value);
void gguf_array(wkv_strbuf *b, const char *name, uint32_t type, uint64_t count);
/* A float's bits. */
uint32_t gguf_bits(float f);
/* A tensor of the directory; dimensions innermost first, those of 0 not written. */
void gguf_entry(wkv_strbuf *b, const char *name, uint32_t type, uint64_t d0, uint64_t d1,
                uint64_t d2, uint64_t d3, uint64_t offset);
void gguf_align(wkv_strbuf *b, size_t alignment);
/* n floats from `first` on, then what fills up to the alignment. */
void gguf_floats(wkv_strbuf *b, float first, int n);

/* What is made is released with wkv_strbuf_deinit.  First, the begin of a file that claims so
 * many tensors and metadata values. */
wkv_strbuf gguf_file(uint64_t tensors, uint64_t values);
/* Some tensors of an RWKV-7 model, named and shaped as llama.cpp does. */
wkv_strbuf gguf_rwkv7(void);
/* A vocabulary of five tokens, the last being this, with `types` token types. */
wkv_strbuf gguf_with_tokens(const char *last, uint32_t type, uint64_t types);

#endif
