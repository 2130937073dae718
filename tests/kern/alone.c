/* tests/kern/alone.c - running a test, and leaving it where it fails. */
#include "alone.h"

#include <setjmp.h>
#include <stdarg.h>

static jmp_buf out;

void fail_msg(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    longjmp(out, 1);
}

bool run_alone(const char *label, void (*test)(void *arg), void *arg)
{
    if (setjmp(out) != 0) {
        printf("FAILED  %s\n", label);
        return false;
    }
    test(arg);
    printf("ok      %s\n", label);
    fflush(stdout);
    return true;
}
