/* tests/support/heap.h - a hand on the library's heap: counting what it takes, or giving
 * it only so much. */
#ifndef WKV_TESTS_HEAP_H
#define WKV_TESTS_HEAP_H

/* From here on the first n allocations succeed and all others fail. */
void heap_limit(int n);

/* As much as it likes, counted. */
void heap_count(void);

/* Ends either; the number of allocations that were asked for, and that were refused. */
typedef struct heap_use {
    int asked, refused;
} heap_use;
heap_use heap_release(void);

#endif
