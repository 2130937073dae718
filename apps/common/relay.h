/* apps/common/relay.h - standard input that ends when the program is asked to stop: who waits for
 * text from a pipe or a terminal would otherwise not notice (term.h: signals interrupt nobody). */
#ifndef WKV_APPS_RELAY_H
#define WKV_APPS_RELAY_H

/* From now on standard input comes through a pipe that a thread fills, which ends it when
 * wkv_term_stopped().  A regular file is left as it is: reading it never waits.  Call it before
 * anything is read; where it cannot be done, all stays as it is. */
void wkv_relay_standard_input(void);

#endif
