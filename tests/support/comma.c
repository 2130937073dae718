/* tests/support/comma.c - see comma.h. */
#include "support/comma.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE "made_locale.txt"

static bool enter(const char *name, const char *mark)
{
    return setlocale(LC_NUMERIC, name) != NULL && strcmp(localeconv()->decimal_point, mark) == 0;
}

/* A locale of numbers alone, which localedef complains about but makes.  The C library reads one
 * of a name once, so each has a name of its own. */
static bool make(const char *name, const char *mark)
{
    char command[128];
    FILE *f = fopen(SOURCE, "w");
    if (f == NULL)
        return false;
    fprintf(f,
            "LC_NUMERIC\ndecimal_point \"%s\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n",
            mark);
    fclose(f);
    snprintf(command, sizeof command, "localedef -c -i ./" SOURCE " -f UTF-8 ./%s >/dev/null 2>&1",
             name);
    return system(command) >= 0 && setenv("LOCPATH", ".", 1) == 0;
}

static bool find(const char *installed, const char *made, const char *mark, const char *escaped)
{
    if (enter(installed, mark) || (make(made, escaped) && enter(made, mark)))
        return true;
    comma_locale_end();
    printf("skipped: no locale %s, and localedef makes none\n", installed);
    return false;
}

bool comma_locale(void)
{
    return find("de_DE.UTF-8", "made_comma.utf8", ",", ",");
}

bool wide_comma_locale(void)
{
    return find("fa_IR.UTF-8", "made_wide.utf8", "\xd9\xab", "<U066B>");
}

void comma_locale_end(void)
{
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
    if (system("rm -rf " SOURCE " made_comma.utf8 made_wide.utf8") != 0)
        printf("cannot remove the locales that were made\n");
}
