/* apps/common/wait.h - how threads wait for each other. */
#ifndef WKV_APPS_COMMON_WAIT_H
#define WKV_APPS_COMMON_WAIT_H

/* Call first in main, with its argv.  See wait.c. */
void wkv_wait_gently(char **argv);

#endif
