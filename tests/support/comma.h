/* tests/support/comma.h - a program in a locale whose decimal mark is no point. */
#ifndef WKV_TESTS_COMMA_H
#define WKV_TESTS_COMMA_H

#include <stdbool.h>

/* Puts the program into one: an installed one, or one that localedef makes in this folder.  False,
 * and says so, where there is neither. */
bool comma_locale(void);

/* The same with a mark of two bytes, as Persian has. */
bool wide_comma_locale(void);

/* Back into C's; removes what was made. */
void comma_locale_end(void);

#endif
