/* apps/cli/convert_check.h - `wkv convert --check`: do two files hold the same? */
#ifndef WKV_APPS_CONVERT_CHECK_H
#define WKV_APPS_CONVERT_CHECK_H

#include <stdbool.h>

/* Prints a line for each tensor that differs and a summary; an exit code, failure when a
 * tensor is missing, of another shape, or further away than the tolerance allows. */
int wkv_convert_check(const char *a, const char *b, double tolerance, bool json);

#endif
