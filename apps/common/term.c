/* apps/common/term.c - see term.h. */
#include "common/term.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/args.h"
#include "common/json_out.h"

static bool line_open; /* a progress line stands on the terminal without its line feed */

/* ---- what it can show -------------------------------------------------------------- */

bool wkv_term_is_terminal(FILE *f)
{
    return isatty(fileno(f)) == 1;
}

int wkv_term_width(FILE *f)
{
    struct winsize size;
    if (ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

bool wkv_term_has_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0 &&
           wkv_term_is_terminal(f);
}

bool wkv_term_has_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < WKV_COUNT(names); i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || value[0] == '\0')
            continue;
        const char *set = strchr(value, '.');
        return set != NULL &&
               (strncasecmp(set, ".utf-8", 6) == 0 || strncasecmp(set, ".utf8", 5) == 0);
    }
    return true; /* nothing said: as in most containers, whose terminals show UTF-8 */
}

/* ---- messages ----------------------------------------------------------------------- */

/* Puts n bytes without control characters but those of `allowed`. */
static void put_clean(FILE *f, const char *text, size_t n, const char *allowed)
{
    for (size_t i = 0, len; i < n; i += len > 0 ? len : 1) {
        const unsigned char *p = (const unsigned char *)text + i;
        len = wkv_json_character(p, n - i);
        bool control = (*p < 0x20 && (*p == '\0' || strchr(allowed, *p) == NULL)) || *p == 0x7f ||
                       (len == 2 && p[0] == 0xc2 && p[1] < 0xa0);
        if (len == 0 || control)
            fputs("\xef\xbf\xbd", f);
        else
            fwrite(p, 1, len, f);
    }
}

void wkv_term_text(FILE *f, const char *text, size_t n)
{
    put_clean(f, text, n, "\n\t");
}

void wkv_term_line(FILE *f, const char *text, size_t n)
{
    put_clean(f, text, n, "");
}

/* What a message quotes comes from files, so it is cleaned as a whole. */
int wkv_term_error(const char *command, const char *fmt, ...)
{
    char text[8192];
    bool colour = wkv_term_has_colour(stderr);
    va_list args;
    fflush(stdout);
    wkv_term_progress_end();
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fprintf(stderr, colour ? "\033[1;31mwkv %s:\033[0m " : "wkv %s: ", command);
    wkv_term_line(stderr, text, strlen(text));
    fputc('\n', stderr);
    return WKV_EXIT_FAILURE;
}

double wkv_term_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In a file or pipe a line a second is enough for the first minute, and then one in ten. */
static double progress_interval(double running)
{
    if (wkv_term_is_terminal(stderr))
        return 0.1;
    return running < 60 ? 1 : 10;
}

bool wkv_term_progress_due(void)
{
    static double start, last;
    const double now = wkv_term_clock();
    if (start <= 0)
        start = last = now;
    if (now - last < progress_interval(now - start))
        return false;
    last = now;
    return true;
}

void wkv_term_progress(const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!wkv_term_is_terminal(stderr)) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    /* A line that wraps could not be replaced. */
    fprintf(stderr, "\r%.*s\033[K", wkv_term_width(stderr) - 1, text);
    fflush(stderr);
    line_open = true;
}

void wkv_term_progress_end(void)
{
    if (line_open)
        fputc('\n', stderr);
    line_open = false;
}

/* ---- signals -------------------------------------------------------------------------- */

static atomic_bool stop_asked;

/* Waits for the signals in the place of every other thread: the second one kills. */
static void *await_stop(void *signals)
{
    int number;
    if (sigwait(signals, &number) == 0) {
        atomic_store(&stop_asked, true);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, signals, NULL);
        for (;;)
            pause();
    }
    return NULL;
}

/* No handler, so that threads that compute are never interrupted: with one, about one stop in
 * a hundred found the heap damaged, in oneDNN's product; with this thread none of 400 did. */
void wkv_term_catch_stop(void)
{
    static sigset_t signals; /* the thread uses it as long as it lives */
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (pthread_create(&thread, NULL, await_stop, &signals) == 0)
        pthread_detach(thread);
    else /* then they end the program at once, as they do by themselves */
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

bool wkv_term_stopped(void)
{
    return atomic_load(&stop_asked);
}

/* ---- the end ---------------------------------------------------------------------------- */

int wkv_term_finish(const char *command, int code)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) != 0 || fclose(stdout) != 0)
        failed = true;
    if (!failed)
        return code;
    if (errno != EPIPE)
        wkv_term_error(command, "cannot write standard output%s%s", errno != 0 ? ": " : "",
                       errno != 0 ? strerror(errno) : "");
    return WKV_EXIT_FAILURE;
}
