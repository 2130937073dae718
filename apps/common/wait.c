/* apps/common/wait.c - idle threads are to spin briefly, then sleep.
 *
 * GNU OpenMP lets a thread that waits at a barrier spin for several milliseconds.  On a
 * machine that does other work too, the thread waited for is often not running at all, and
 * everyone spins through whole time slices: ten times slower, measured.  The runtime reads
 * its settings before main, so the program sets them and starts itself once more, which
 * takes about 3 ms of processor time (`wkv info --help` with GOMP_SPINCOUNT set and without).  Nothing
 * in the program runs early enough instead: functions before all initialisers run before those
 * of the C library, too, and have no environment to change.  Whoever sets OMP_WAIT_POLICY or
 * GOMP_SPINCOUNT keeps his own. */
#include "common/wait.h"

#include <stdlib.h>
#include <unistd.h>

void wkv_wait_gently(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL)
        return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) != 0)
        return;
    execv("/proc/self/exe", argv);
    /* Could not start again: go on as we are, only less gently. */
}
