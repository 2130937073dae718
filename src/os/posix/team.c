/* os/posix/team.c - see team.h.
 *
 * A word for each thread says what it is at:
 *
 *   IDLE  -> GIVEN   by the caller, who has parts for it
 *   GIVEN -> BUSY    by the thread, which begins; or
 *   GIVEN -> IDLE    by the caller, who takes them back
 *   BUSY  -> IDLE    by the thread, which is done
 *   IDLE  -> CLOSED  by the caller: the thread ends
 *
 * Who waits for the other to change it marks it before he sleeps (ASLEEP, AWAITED), and is woken
 * by the change.  So nobody calls the system for one who is awake. */
#include "os/team.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/mem.h"
#include "os/futex.h"
#include "os/os.h"

enum { IDLE, ASLEEP, GIVEN, BUSY, AWAITED, CLOSED };

/* For how long to look before sleeping, in seconds.  Waking takes the system some 5 microseconds
 * and the thread that sleeps some 50, so that it pays to look for longer than waits last; but
 * where one lasts for a time slice, another program has the processor, and looking only takes it
 * from those who work.  So patience follows the waits that there were. */
typedef double patience;
static const patience least = 50e-6, most = 1e-3;
enum { SPIN_ROUND = 64 }; /* looks between two at the clock */

/* The parts first, first + step, ... of a run. */
typedef struct share {
    wkv_team_fn *fn;
    void *ctx;
    int first, step, parts;
} share;

/* One line of the cache: what a thread needs to begin comes with the word that it watches. */
typedef struct worker {
    _Alignas(64) atomic_uint word;
    bool spins;
    patience patience;
    share share;
    pthread_t thread;
} worker;

struct wkv_team {
    int threads, n; /* asked for; running, with the caller */
    bool started, spins;
    patience patience; /* the caller's */
    unsigned born;     /* as forks was when they started */
    atomic_bool taken;
    worker *worker; /* [0] is the caller */
};

/* ---- waiting --------------------------------------------------------------------------------- */

/* Looks once around whether the word has changed from `was`; what it is at last. */
static unsigned look(const atomic_uint *word, unsigned was)
{
    unsigned now = was;
    for (int i = 0; i < SPIN_ROUND && now == was; i++) {
        now = atomic_load_explicit(word, memory_order_acquire);
        WKV_PAUSE();
    }
    return now;
}

static unsigned sleep_until(atomic_uint *word, unsigned was, unsigned sleeping)
{
    unsigned now = was;
    if (!atomic_compare_exchange_strong(word, &now, sleeping))
        return now;
    do
        wkv_futex_wait(word, sleeping);
    while ((now = atomic_load_explicit(word, memory_order_acquire)) == sleeping);
    return now;
}

/* What a wait teaches: to cover such as this one, for the next score of waits, if it is short. */
static patience after(patience p, double waited)
{
    if (waited > most)
        return least;
    const double wanted = fmin(2 * waited, most), forgotten = 0.95 * p;
    return fmax(least, fmax(wanted, forgotten));
}

/* Waits until the word has changed from `was`, which is marked as `sleeping` meanwhile. */
static unsigned await(atomic_uint *word, unsigned was, unsigned sleeping, bool spins, patience *p)
{
    unsigned now = spins ? look(word, was) : was;
    if (now != was)
        return now;
    const double begin = wkv_clock();
    while (spins && now == was && wkv_clock() - begin < *p)
        now = look(word, was);
    if (now == was)
        now = sleep_until(word, was, sleeping);
    *p = after(*p, wkv_clock() - begin);
    return now;
}

/* Changes the word and wakes who sleeps on it. */
static void change(atomic_uint *word, unsigned to, unsigned sleeping)
{
    if (atomic_exchange(word, to) == sleeping)
        wkv_futex_wake(word);
}

/* ---- a thread -------------------------------------------------------------------------------- */

static void do_share(const share *s)
{
    for (int i = s->first; i < s->parts; i += s->step)
        s->fn(s->ctx, i);
}

static void *work(void *arg)
{
    worker *w = arg;
    for (;;) {
        unsigned word = await(&w->word, IDLE, ASLEEP, w->spins, &w->patience);
        if (word == CLOSED)
            return NULL;
        if (word != GIVEN || !atomic_compare_exchange_strong(&w->word, &word, BUSY))
            continue; /* taken back */
        do_share(&w->share);
        change(&w->word, IDLE, AWAITED);
    }
}

/* ---- the team -------------------------------------------------------------------------------- */

/* How often this process is the child of one that the library was in: threads stay behind. */
static atomic_uint forks;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* Signals go to the application's threads, but for those that a thread causes itself. */
static void block_signals(sigset_t *before)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGILL);
    pthread_sigmask(SIG_SETMASK, &set, before);
}

static void start(wkv_team *m)
{
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    pthread_once(&watched, watch_forks);
    m->started = true;
    m->born = atomic_load(&forks);
    m->spins = m->threads <= wkv_cpu_count();
    sigset_t before;
    block_signals(&before);
    for (; m->n < m->threads; m->n++) {
        worker *w = &m->worker[m->n];
        w->spins = m->spins;
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool left_behind(const wkv_team *m)
{
    return m->started && m->born != atomic_load_explicit(&forks, memory_order_relaxed);
}

wkv_status wkv_team_open(wkv_team **out, int threads, wkv_error *err)
{
    *out = NULL;
    wkv_team *m = wkv_malloc(sizeof *m);
    worker *workers = wkv_malloc_aligned((size_t)threads * sizeof *workers);
    if (m == NULL || workers == NULL) {
        wkv_free(m);
        wkv_free_aligned(workers);
        WKV_FAIL(err, WKV_E_MEMORY, "a team of %d threads: out of memory", threads);
    }
    *m = (wkv_team){.threads = threads, .n = 1, .patience = least, .worker = workers};
    for (int i = 0; i < threads; i++)
        workers[i] = (worker){.word = IDLE, .patience = least};
    *out = m;
    return WKV_OK;
}

void wkv_team_close(wkv_team **team)
{
    wkv_team *m = *team;
    if (m == NULL)
        return;
    for (int i = 1; i < m->n && !left_behind(m); i++) {
        change(&m->worker[i].word, CLOSED, ASLEEP);
        pthread_join(m->worker[i].thread, NULL);
    }
    wkv_free_aligned(m->worker);
    wkv_free(m);
    *team = NULL;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void give_back(wkv_team *m)
{
    atomic_store_explicit(&m->taken, false, memory_order_release);
}

/* False when someone has it, or had it when this process was made, or its threads are another's. */
static bool take(wkv_team *m)
{
    if (atomic_exchange_explicit(&m->taken, true, memory_order_acquire))
        return false;
    if (!left_behind(m))
        return true;
    give_back(m);
    return false;
}

static void take_back(worker *w)
{
    unsigned word = GIVEN;
    if (atomic_compare_exchange_strong(&w->word, &word, IDLE))
        do_share(&w->share);
}

void wkv_team_run(wkv_team *m, wkv_team_fn *fn, void *ctx, int parts)
{
    if (parts <= 1 || m->threads <= 1 || !take(m)) {
        do_share(&(share){fn, ctx, 0, 1, parts});
        return;
    }
    if (!m->started)
        start(m);
    const int n = m->n < parts ? m->n : parts;
    for (int i = 1; i < n; i++) {
        m->worker[i].share = (share){fn, ctx, i, n, parts};
        change(&m->worker[i].word, GIVEN, ASLEEP);
    }
    do_share(&(share){fn, ctx, 0, n, parts});
    for (int i = 1; i < n; i++)
        take_back(&m->worker[i]);
    for (int i = 1; i < n; i++)
        await(&m->worker[i].word, BUSY, AWAITED, m->spins, &m->patience);
    give_back(m);
}
