/* os/futex.h - sleeping until another thread changes a word. */
#ifndef WKV_OS_FUTEX_H
#define WKV_OS_FUTEX_H

#include <stdatomic.h>

/* Sleeps while the word is `value`; may return early. */
void wkv_futex_wait(atomic_uint *word, unsigned value);
/* Wakes who sleeps on the word, after it was changed: one thread at most. */
void wkv_futex_wake(atomic_uint *word);

#endif
