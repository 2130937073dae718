/* store/names.h - the names that other programs give to the tensors of RWKV models: a table
 * a scheme, read in both directions, and no code for any of them but how it is recognised.
 *
 * What a scheme does not know keeps its name, and is seen to be unknown by whoever looks
 * for a model. */
#ifndef WKV_STORE_NAMES_H
#define WKV_STORE_NAMES_H

#include "store/format.h"

/* How a tensor lies there and in the canonical form. */
typedef enum wkv_name_form {
    WKV_NAME_SAME,
    WKV_NAME_ROW,        /* [1, 1, C] in both */
    WKV_NAME_FLAT,       /* [C] in both */
    WKV_NAME_VECTOR,     /* [C] there, [1, 1, C] here */
    WKV_NAME_TRANSPOSED, /* the last two dimensions */
    WKV_NAME_STACKED     /* several vectors, one after the other: `here` is the stem of their names,
                            followed by one of the scheme's letters; only read */
} wkv_name_form;

typedef struct wkv_name_row {
    wkv_name_form form;
    const char *there, *here; /* without the scheme's prefix; in a layer, what follows its number */
} wkv_name_row;

typedef struct wkv_name_scheme {
    const char *name;    /* for people: "transformers" */
    const char *prefix;  /* before every name there but `bare`; may lack when reading */
    const char *bare;    /* or NULL */
    const char *blocks;  /* before a layer's number there: "layers." */
    const char *letters; /* of STACKED rows, or NULL */
    const wkv_name_row *once, *layer;
    size_t n_once, n_layer;
    /* True when the file, whose index of names is built, is of this scheme. */
    bool (*is)(const wkv_store *s);
} wkv_name_scheme;

/* names_hf.c, names_fla.c, names_web.c, names_wrapped.c; in the order of trying, NULL last. */
extern const wkv_name_scheme *const wkv_name_schemes[];
extern const wkv_name_scheme wkv_names_transformers, wkv_names_fla, wkv_names_web5, wkv_names_web6,
    wkv_names_web7, wkv_names_web_lora, wkv_names_web_state, wkv_names_wrapped;

/* Recognises the scheme of a file just read and brings its tensors into the canonical form.
 * The names of s must be indexed, and are to be indexed anew when *changed. */
wkv_status wkv_names_read(wkv_store *s, bool *changed, wkv_error *err);

/* Views of tensors in the form of a scheme. */
typedef struct wkv_names_out {
    wkv_tensor *tensors;
    size_t n_tensors;
    char (*names)[96]; /* what the tensors are called */
} wkv_names_out;

/* E_UNSUPPORTED, naming the tensor, when the scheme has no place for one.  The caller
 * releases *out with wkv_names_deinit, also after a failure. */
wkv_status wkv_names_write(wkv_names_out *out, const wkv_name_scheme *scheme,
                           const wkv_store_out *what, wkv_error *err);
void wkv_names_deinit(wkv_names_out *out);

/* The number that starts at p, and how many digits it has: 0 when it is none of a layer's. */
size_t wkv_names_number(const char *p, uint64_t *number);

/* "blocks.", that many digits at number, "." and rest, on the heap of s: NULL when out of memory;
 * rest itself when there are no digits. */
const char *wkv_names_canonical(wkv_store *s, const char *number, size_t digits, const char *rest);

#endif
