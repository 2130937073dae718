/* tests/test.h - what every test program includes: cmocka and its needs, and the way
 * to the data beside the project. */
#ifndef WKV_TESTS_TEST_H
#define WKV_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The folder of outside data: the environment's WKV_TEST_DATA, else the default. */
static inline const char *test_data_dir(void)
{
    const char *dir = getenv("WKV_TEST_DATA");
    return dir != NULL ? dir : WKV_TEST_DATA;
}

/* Ends the program as skipped (77) when the outside data is not there. */
static inline void test_need_data(void)
{
    if (access(test_data_dir(), R_OK) == 0)
        return;
    printf("skipped: no data at %s\n", test_data_dir());
    exit(77);
}

/* "<data>/<relative>" in a static buffer; valid until the next call. */
static inline const char *test_data_path(const char *relative)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", test_data_dir(), relative);
    return path;
}

#endif
