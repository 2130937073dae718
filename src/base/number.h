/* base/number.h - numbers in files: with a point, whatever the program's locale makes of it.
 *
 * A program that asks for its user's locale may make strtod and printf write "0,5".  What goes into
 * a file, or comes from one, goes through these; sentences for people need not. */
#ifndef WKV_BASE_NUMBER_H
#define WKV_BASE_NUMBER_H

#include <locale.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* strtod; where it stopped in *end unless end is NULL. */
double wkv_number_parse(const char *text, char **end);

/* snprintf. */
int wkv_number_print(char *to, size_t room, const char *format, ...) WKV_PRINTF(3, 4);

/* Writes v in decimal digits, at most WKV_NUMBER_DIGITS; the end of them. */
enum { WKV_NUMBER_DIGITS = 20 };
char *wkv_number_write(char *to, uint64_t v);

/* For a library that converts numbers: puts the calling thread, and no other, into C's locale.
 * uselocale of what it returns ends that. */
locale_t wkv_number_enter(void);

#endif
