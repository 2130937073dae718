/* apps/common/files.h - the few things the programs do with files themselves: folders,
 * and small files that appear whole or not at all.  Each returns false after putting
 * the reason into why. */
#ifndef WKV_APPS_FILES_H
#define WKV_APPS_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { WKV_PATH_MAX = 4096, WKV_WHY_MAX = WKV_PATH_MAX + 256 };

/* Creates the folder and its parents where absent. */
bool wkv_files_make_dirs(const char *path, char why[WKV_WHY_MAX]);

/* Writes n bytes beside path, or beside what path is a link to, syncs, renames over it, syncs the
 * folder.  Only a regular file is replaced. */
bool wkv_files_replace(const char *path, const char *data, size_t n, char why[WKV_WHY_MAX]);

/* Writes all n bytes, whatever interrupts it; false with errno. */
bool wkv_files_write(int fd, const void *data, size_t n);

/* Removes a file of the folder; that there is none is as good. */
bool wkv_files_remove(const char *dir, const char *name, char why[WKV_WHY_MAX]);

/* Reads a whole file or pipe of at most WKV_FILES_READ_MAX bytes; the caller frees *data, which
 * ends with a NUL of its own. */
enum { WKV_FILES_READ_MAX = 1 << 30 };
bool wkv_files_read(const char *path, char **data, size_t *n, char why[WKV_WHY_MAX]);

/* Are both names those of one file, which exists? */
bool wkv_files_same(const char *a, const char *b);

/* Takes the folder for this process, until *lock is closed or the process ends however.
 * Where the system knows no locks, there are none: *lock is then -1. */
bool wkv_files_lock(const char *dir, int *lock, char why[WKV_WHY_MAX]);

/* Removes the files "NAME.NUMBER.SUFFIX" of a folder, such as the temporary ones
 * ("NAME.PID.tmp") that a killed process left. */
void wkv_files_sweep(const char *dir, const char *name, const char *suffix);
/* Removes temporary files in a folder that is not locked: those of processes that run are
 * left. */
void wkv_files_sweep_dead(const char *dir, const char *name);

/* "DIR/NAME" in buf. */
const char *wkv_files_join(char buf[WKV_PATH_MAX], const char *dir, const char *name);

/* The absolute form of a path whose last part need not exist; the path itself when its
 * folder does not. */
const char *wkv_files_absolute(char buf[WKV_PATH_MAX], const char *path);

#endif
