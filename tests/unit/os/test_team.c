/* Teams: every part once, whoever does it, whatever else goes on. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "os/team.h"
#include "test.h"

enum { MOST = 64, THREADS = 4 };

typedef struct counts {
    wkv_team *team; /* to be used again from within, or NULL */
    int times[MOST];
    atomic_int inner;
} counts;

static wkv_team *open_team(int threads)
{
    wkv_team *t;
    assert_int_equal(wkv_team_open(&t, threads, NULL), WKV_OK);
    return t;
}

static void count(void *ctx, int part)
{
    counts *c = ctx;
    c->times[part]++;
}

static bool are_done(const counts *c, int parts)
{
    for (int i = 0; i < MOST; i++)
        if (c->times[i] != (i < parts))
            return false;
    return true;
}

static void run_and_check(wkv_team *t, int parts)
{
    counts c = {0};
    wkv_team_run(t, count, &c, parts);
    assert_true(are_done(&c, parts));
}

/* More threads than there are processors, and more parts than threads, too. */
static void test_every_part_once(void **state)
{
    for (int threads = 1; threads <= 2 * THREADS; threads++) {
        wkv_team *t = open_team(threads);
        for (int parts = 0; parts <= MOST; parts++)
            run_and_check(t, parts);
        wkv_team_close(&t);
        assert_null(t);
        wkv_team_close(&t);
    }
}

/* Runs that follow each other at once, and after the threads have fallen asleep. */
static void test_many_runs(void **state)
{
    wkv_team *t = open_team(2);
    for (int i = 0; i < 20000; i++)
        run_and_check(t, 2);
    for (int i = 0; i < 50; i++) {
        usleep(500);
        run_and_check(t, 2);
    }
    wkv_team_close(&t);
}

static void test_many_teams(void **state)
{
    wkv_team *all[16];
    for (int i = 0; i < 16; i++)
        all[i] = open_team(THREADS);
    for (int run = 0; run < 100; run++)
        for (int i = 0; i < 16; i++)
            run_and_check(all[i], THREADS + 1);
    for (int i = 0; i < 16; i++)
        wkv_team_close(&all[i]);
    wkv_team *idle = open_team(THREADS); /* one that never runs */
    wkv_team_close(&idle);
}

static void count_inner(void *ctx, int part)
{
    counts *c = ctx;
    atomic_fetch_add(&c->inner, part + 1);
}

static void count_and_run(void *ctx, int part)
{
    counts *c = ctx;
    c->times[part]++;
    wkv_team_run(c->team, count_inner, c, 3);
}

static void test_within_itself(void **state)
{
    counts c = {.team = open_team(THREADS)};
    for (int run = 1; run <= 100; run++) {
        memset(c.times, 0, sizeof c.times);
        wkv_team_run(c.team, count_and_run, &c, 8);
        assert_true(are_done(&c, 8));
        assert_int_equal(atomic_load(&c.inner), run * 8 * (1 + 2 + 3));
    }
    wkv_team_close(&c.team);
}

typedef struct caller {
    wkv_team *team;
    bool good;
} caller;

static void *run_often(void *arg)
{
    caller *c = arg;
    c->good = true;
    for (int i = 0; i < 5000; i++) {
        counts n = {0};
        wkv_team_run(c->team, count, &n, 5);
        c->good = c->good && are_done(&n, 5);
    }
    return NULL;
}

static void test_two_callers(void **state)
{
    wkv_team *t = open_team(3);
    caller c[2] = {{t, false}, {t, false}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_often, &c[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(c[0].good && c[1].good);
    wkv_team_close(&t);
}

/* ---- forks ------------------------------------------------------------------------------- */

/* In a child, within ten seconds: a run of the parent's team, and its end. */
static bool child_can_run(wkv_team *t)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        alarm(10);
        counts c = {0};
        wkv_team_run(t, count, &c, MOST);
        const bool good = are_done(&c, MOST);
        wkv_team_close(&t);
        _exit(good ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void test_fork(void **state)
{
    wkv_team *t = open_team(THREADS);
    run_and_check(t, MOST);
    assert_true(child_can_run(t));
    run_and_check(t, MOST);
    usleep(2000); /* once more while they sleep */
    assert_true(child_can_run(t));
    run_and_check(t, MOST);
    wkv_team_close(&t);
}

static void fork_within(void *ctx, int part)
{
    counts *c = ctx;
    c->times[part] = part != 1 || child_can_run(c->team);
}

static void test_fork_within_a_run(void **state)
{
    counts c = {.team = open_team(THREADS)};
    wkv_team_run(c.team, fork_within, &c, THREADS);
    assert_true(are_done(&c, THREADS));
    wkv_team_close(&c.team);
}

/* ---- threads as they come ---------------------------------------------------------------- */

static void test_once(void **state)
{
    for (int threads = 1; threads <= THREADS; threads++)
        for (int pieces = 0; pieces <= MOST; pieces += 8) {
            counts c = {0};
            wkv_team_once(threads, count, &c, pieces);
            assert_true(are_done(&c, pieces));
        }
}

static int refuse(void *user, size_t bytes)
{
    int *left = user;
    return (*left)-- == 0;
}

/* Without memory opening fails, and what asks for a team for once is done without. */
static void test_no_memory(void **state)
{
    for (int nth = 0; nth < 2; nth++) {
        int left = nth;
        wkv_team *t;
        counts c = {0};
        wkv_mem_set_hook(refuse, &left);
        assert_int_equal(wkv_team_open(&t, THREADS, NULL), WKV_E_MEMORY);
        assert_null(t);
        left = nth;
        wkv_team_once(THREADS, count, &c, MOST);
        wkv_mem_set_hook(NULL, NULL);
        assert_true(are_done(&c, MOST));
    }
}

/* ---- signals ----------------------------------------------------------------------------- */

static pthread_t main_thread;
static atomic_int elsewhere, arrived;

static void note(int signal)
{
    (void)signal;
    atomic_fetch_add(&arrived, 1);
    atomic_fetch_add(&elsewhere, !pthread_equal(pthread_self(), main_thread));
}

/* Signals to the process never go to a thread of the team. */
static void test_signals(void **state)
{
    enum { SIGNALS = 50 };
    main_thread = pthread_self();
    const struct sigaction action = {.sa_handler = note};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    wkv_team *t = open_team(THREADS);
    run_and_check(t, THREADS);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    for (int i = 0; i < SIGNALS; i++) {
        /* Blocked here: were it not in the others, it would go to them. */
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        kill(getpid(), SIGUSR1);
        sched_yield();
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    assert_int_equal(atomic_load(&arrived), SIGNALS);
    assert_int_equal(atomic_load(&elsewhere), 0);
    wkv_team_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_once),   cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_many_teams),        cmocka_unit_test(test_within_itself),
        cmocka_unit_test(test_two_callers),       cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_within_a_run), cmocka_unit_test(test_once),
        cmocka_unit_test(test_no_memory),         cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
