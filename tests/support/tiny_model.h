/* tests/support/tiny_model.h - small models made on the spot, as files.
 *
 * Nothing in them is left at its initial value: the matrices that training starts from
 * zero, and the norms that it starts from one, would hide whatever goes wrong there. */
#ifndef WKV_TESTS_TINY_MODEL_H
#define WKV_TESTS_TINY_MODEL_H

#include <stdint.h>

typedef struct tiny_model {
    const char *arch;
    int layers, width, head_size, vocab;
    uint64_t seed;
    const char *tokenizer; /* a kind to put into the metadata, or NULL */
} tiny_model;

/* One of each version: three layers, so that there is a first, a middle and a last. */
extern const tiny_model tiny_rwkv4, tiny_rwkv7, tiny_aft_local;
/* The one whose texts end: at 1024 tokens, as none says otherwise. */
extern const tiny_model tiny_aft_full;

/* Writes the model as safetensors; fails the running test when that cannot be done. */
void tiny_model_write(const char *path, const tiny_model *t);

#endif
