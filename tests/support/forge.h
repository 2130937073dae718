/* tests/support/forge.h - safetensors files that no program would write: a good file of
 * any format written again with something changed, and one that holds no model. */
#ifndef WKV_TESTS_FORGE_H
#define WKV_TESTS_FORGE_H

#include <stdbool.h>

/* What is changed; NULL leaves alone. */
typedef struct forgery {
    const char *meta_key;   /* this metadata gets another value, */
    const char *meta_value; /* this one; NULL: it is left out */
    const char *drop;       /* the tensor that is left out */
    const char *grow;       /* the tensor that gets one more (zero) first dimension */
    const char *shrink;     /* the tensor that loses the last of its first dimension */
    const char *halve;      /* the tensor that becomes f16, bytes reinterpreted */
    const char *rename;     /* the tensor that gets another name, */
    const char *name;       /* this one */
    bool no_meta;           /* all metadata is left out */
} forgery;

void forge(const char *out, const char *in, const forgery *what);

/* Three tensors that are no model: "square" f32 [2, 3] = 1 -2 3 4.5 -5 6, "whole" i64 [3],
 * "scalar" f32; and, when with_meta, "author": "nobody". */
void forge_plain(const char *out, bool with_meta);

#endif
