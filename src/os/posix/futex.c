/* os/posix/futex.c - see futex.h: where the system has none.
 *
 * All words share one lock and one condition, so that a word needs no memory beside it; whoever
 * sleeps on another word is woken in vain.  In a child process nobody holds the lock or sleeps,
 * whatever they did in the parent. */
#include "os/futex.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void begin_anew(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, begin_anew);
}

void wkv_futex_wait(atomic_uint *word, unsigned value)
{
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    pthread_once(&watched, watch_forks);
    pthread_mutex_lock(&lock);
    while (atomic_load_explicit(word, memory_order_relaxed) == value)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* With the lock: the word may have been looked at and sleep be about to begin. */
void wkv_futex_wake(atomic_uint *word)
{
    (void)word;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
