/* tests/kern/alone.h - the few names of cmocka that the checks of kernels use, for programs
 * that must run where there is no cmocka: on a processor that another one emulates, say. */
#ifndef WKV_TESTS_ALONE_H
#define WKV_TESTS_ALONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

/* Prints the message and ends the test that runs. */
_Noreturn void fail_msg(const char *format, ...) WKV_PRINTF(1, 2);

/* Runs test(arg) and says how it went; false when it failed. */
bool run_alone(const char *label, void (*test)(void *arg), void *arg);

#define assert_true(c) ((c) ? (void)0 : fail_msg("%s:%d: not true: %s", __FILE__, __LINE__, #c))
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

#endif
