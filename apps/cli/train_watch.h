/* apps/cli/train_watch.h - `wkv train --watch PORT`: the curves of the run as a page on this
 * machine that keeps itself up to date.  The drawing is that of `wkv plot`. */
#ifndef WKV_APPS_TRAIN_WATCH_H
#define WKV_APPS_TRAIN_WATCH_H

#include "cli/train_dir.h"

typedef struct wkv_train_watch wkv_train_watch;

/* Takes the port, and serves the page of the run in d.  False after a message: the port is
 * taken. */
bool wkv_train_watch_open(wkv_train_watch **out, const wkv_train_dir *d, int port);
/* The metrics can be read from now on, and says where the page is; w may be NULL here and below.
 * False after a message. */
bool wkv_train_watch_begin(wkv_train_watch *w);
/* The live line, for the page. */
void wkv_train_watch_line(wkv_train_watch *w, const char *text);
void wkv_train_watch_close(wkv_train_watch **w);

#endif
