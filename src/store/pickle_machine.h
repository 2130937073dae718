/* store/pickle_machine.h - the stack machine under the unpickler: its stack, its marks,
 * its memo, its values, and the bytes it reads.  Known to pickle.c and
 * pickle_machine.c alone. */
#ifndef WKV_STORE_PICKLE_MACHINE_H
#define WKV_STORE_PICKLE_MACHINE_H

#include "store/pickle.h"

typedef struct wkv_pm {
    wkv_pickle *out;
    const wkv_pickle_name *allowed;
    const uint8_t *data;
    size_t size, at;
    uint32_t *stack;
    size_t n_stack, cap_stack;
    size_t *marks; /* heights of the stack */
    size_t n_marks, cap_marks;
    uint32_t *memo;
    size_t n_memo, cap_memo; /* n_memo: one more than the highest index set */
    size_t op_at;            /* where the present opcode lies */
    bool stopped;
} wkv_pm;

/* E_FORMAT with the place of the present opcode. */
wkv_status wkv_pm_bad(const wkv_pm *m, const char *what, wkv_error *err);

/* ---- the stack ---- */

wkv_status wkv_pm_push(wkv_pm *m, uint32_t value, wkv_error *err);
wkv_status wkv_pm_push_new(wkv_pm *m, wkv_pickle_value value, wkv_error *err);
wkv_status wkv_pm_pop(wkv_pm *m, uint32_t *value, wkv_error *err);
wkv_status wkv_pm_mark(wkv_pm *m, wkv_error *err);
wkv_status wkv_pm_pop_mark(wkv_pm *m, size_t *height, wkv_error *err);

/* The height that the stack may not be popped below: that of the last mark. */
size_t wkv_pm_floor(const wkv_pm *m);

/* Remembers the top of the stack under an index; pushes what is remembered. */
wkv_status wkv_pm_remember(wkv_pm *m, uint64_t index, wkv_error *err);
wkv_status wkv_pm_recall(wkv_pm *m, uint64_t index, wkv_error *err);

/* ---- containers ---- */

/* Adds value to the end of the container. */
wkv_status wkv_pm_append(wkv_pm *m, uint32_t container, uint32_t value, wkv_error *err);
/* Moves everything from `height` on into the container. */
wkv_status wkv_pm_collect(wkv_pm *m, uint32_t container, size_t height, wkv_error *err);
/* The container below `height`, which must be of this kind. */
wkv_status wkv_pm_target(const wkv_pm *m, size_t height, wkv_pickle_kind kind, uint32_t *out,
                         wkv_error *err);

/* ---- input ---- */

wkv_status wkv_pm_take(wkv_pm *m, size_t n, const uint8_t **p, wkv_error *err);
/* An unsigned number of 1, 2, 4 or 8 bytes. */
wkv_status wkv_pm_number(wkv_pm *m, int width, uint64_t *out, wkv_error *err);
/* A length of `width` bytes and as many bytes. */
wkv_status wkv_pm_counted(wkv_pm *m, int width, const uint8_t **p, uint32_t *n, wkv_error *err);
/* At most 256 bytes up to a line end, which is skipped. */
wkv_status wkv_pm_line(wkv_pm *m, const char **text, int *n, wkv_error *err);

#endif
