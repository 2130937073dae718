/* os/posix/posix.h - what the files of this folder share. */
#ifndef WKV_OS_POSIX_H
#define WKV_OS_POSIX_H

/* Makes a rename to path durable: syncs the folder that holds it, where its file system can.  0,
 * or -1 and errno. */
int wkv_sync_parent(const char *path);

/* "<path>.<pid>.<n>.tmp", no n twice in this process: its threads may write one path.  The caller
 * frees it; NULL when out of memory. */
char *wkv_temp_name(const char *path);

#endif
