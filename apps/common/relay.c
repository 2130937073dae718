/* apps/common/relay.c - see relay.h. */
#include "common/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/term.h"

enum { PIECE = 1 << 16, LOOK_AGAIN = 100 /* ms */ };

typedef struct relay {
    int from, to;
} relay;

/* Bytes of the next piece; 0 at the end, or when the program is to stop. */
static ssize_t next_piece(int from, unsigned char *piece)
{
    struct pollfd input = {.fd = from, .events = POLLIN};
    while (!wkv_term_stopped()) {
        if (poll(&input, 1, LOOK_AGAIN) == 0)
            continue;
        const ssize_t n = read(from, piece, PIECE);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN))
            return n;
    }
    return 0;
}

static void *run(void *arg)
{
    static unsigned char piece[PIECE];
    const relay *r = arg;
    for (ssize_t n; (n = next_piece(r->from, piece)) > 0;)
        if (!wkv_files_write(r->to, piece, (size_t)n))
            break; /* nobody reads any more */
    close(r->to);
    return NULL;
}

/* Its own signals, such as that of a pipe which nobody reads, concern nobody; but that a terminal
 * stops who reads in the background must work. */
static bool start(relay *r)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    sigdelset(&all, SIGTTIN);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&thread, NULL, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

void wkv_relay_standard_input(void)
{
    static relay r; /* the thread uses it as long as it lives */
    struct stat st;
    int ends[2];
    if (fstat(STDIN_FILENO, &st) != 0 || S_ISREG(st.st_mode) || pipe(ends) != 0)
        return;
    r = (relay){fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), ends[1]};
    if (r.from < 0 || dup2(ends[0], STDIN_FILENO) < 0 || !start(&r)) {
        if (r.from >= 0)
            dup2(r.from, STDIN_FILENO);
        close(ends[1]);
    }
    close(ends[0]);
}
