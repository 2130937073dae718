/* base/number.h - real numbers in files: with a point, whatever the program's locale makes of it.
 *
 * A program that asks for its user's locale may make strtod and printf write "0,5".  What goes into
 * a file, or comes from one, goes through these; sentences for people need not. */
#ifndef WKV_BASE_NUMBER_H
#define WKV_BASE_NUMBER_H

#include <locale.h>
#include <stddef.h>

#include "base/attr.h"

/* strtod; where it stopped in *end unless end is NULL. */
double wkv_number_parse(const char *text, char **end);

/* snprintf. */
int wkv_number_print(char *to, size_t room, const char *format, ...) WKV_PRINTF(3, 4);

/* For a library that converts numbers: puts the calling thread, and no other, into C's locale.
 * uselocale of what it returns ends that. */
locale_t wkv_number_enter(void);

#endif
