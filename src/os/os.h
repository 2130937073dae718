/* os/os.h - everything that differs between operating systems.  Implemented in
 * os/posix; another system is another folder, not an #ifdef. */
#ifndef WKV_OS_OS_H
#define WKV_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* ---- reading ---------------------------------------------------------------- */

/* A whole file, mapped read-only and private.  An empty file has data != NULL, size 0. */
typedef struct wkv_map {
    const uint8_t *data;
    uint64_t size;
} wkv_map;

/* E_IO when the file cannot be opened or mapped or is not a regular file; a pipe without a
 * writer is not waited for.  The caller owns *out and releases it with wkv_map_close (harmless on a
 * zeroed map). */
wkv_status wkv_map_open(wkv_map *out, const char *path, wkv_error *err);
void wkv_map_close(wkv_map *m);

/* What has been read need not stay in this process's memory; it is mapped again where it is
 * looked at once more. */
void wkv_map_let_go(const wkv_map *m);

/* Asks for large pages for n bytes of heap that will hold much and be read often; may do
 * nothing.  Best before they are first touched. */
void wkv_prefer_large_pages(void *p, size_t n);

/* Bytes of memory that this process holds, and the most that it has held; 0 where the system
 * does not say. */
uint64_t wkv_memory_now(void);
uint64_t wkv_memory_peak(void);

/* ---- writing: beside, fsync, rename ------------------------------------------- */

/* A file being written.  Nothing shows under its final name before commit. */
typedef struct wkv_writer wkv_writer;

/* Creates "<path>.<pid>.<n>.tmp" beside path, or beside what path is a link to, with the mode of
 * what is to be replaced.  E_IO where that is a folder, device, pipe or socket.  The caller owns
 * *out until commit or abort. */
wkv_status wkv_writer_open(wkv_writer **out, const char *path, wkv_error *err);
wkv_status wkv_writer_write(wkv_writer *w, const void *data, size_t n, wkv_error *err);
uint64_t wkv_writer_offset(const wkv_writer *w);

/* Flushes and fsyncs: what then can fail in a commit is the rename. */
wkv_status wkv_writer_sync(wkv_writer *w, wkv_error *err);
/* Flushes, fsyncs, renames over path, fsyncs the folder; frees *w either way. */
wkv_status wkv_writer_commit(wkv_writer **w, wkv_error *err);
/* Removes the temporary file; harmless on NULL. */
void wkv_writer_abort(wkv_writer **w);

/* A file to write and read back, beside path, that is gone when it is closed or the process
 * ends. */
wkv_status wkv_scratch_open(FILE **out, const char *path, wkv_error *err);

/* Removes the file, durably; none there is no error. */
wkv_status wkv_remove_file(const char *path, wkv_error *err);

bool wkv_path_exists(const char *path);
bool wkv_path_is_folder(const char *path);

/* ---- folders ------------------------------------------------------------------ */

/* Calls visit with the name of every entry, in no order. */
wkv_status wkv_folder_each(const char *path, void (*visit)(void *user, const char *name),
                           void *user, wkv_error *err);

/* Creates "<path>.<pid>.<number>.tmp", to be filled with files, and puts its name into *temp, the
 * caller's until commit or abort; each call a folder of its own.  E_ARGUMENT when path exists and
 * is no empty folder. path does not end in a slash. */
wkv_status wkv_folder_create(char **temp, const char *path, wkv_error *err);
/* Syncs, renames to path; frees *temp either way. */
wkv_status wkv_folder_commit(char **temp, const char *path, wkv_error *err);
/* Removes the folder with its files; harmless on NULL. */
void wkv_folder_abort(char **temp);

/* ---- time and threads ---------------------------------------------------------- */

/* Seconds from an arbitrary start that never go back. */
double wkv_clock(void);
/* Seconds since 1970. */
double wkv_wall_clock(void);

/* Threads that are of use to this process, >= 1: cores in its affinity mask, but no more than
 * the CPU quota of its control groups (version 1 or 2), rounded to the nearest. */
int wkv_cpu_count(void);
/* The same for a system whose /proc and /sys lie under root, of processors [0, n). */
int wkv_cpu_count_under(const char *root, const bool *allowed, int n);

/* ---- instruction sets ------------------------------------------------------------ */

/* Levels are ordered: a level includes those before it.  A processor has those of its
 * family. */
#if defined(__aarch64__)
#define WKV_CPU_EACH_LEVEL(X) \
    X(REF, "ref")         /* portable C only */ \
    X(NEON, "neon")       /* every 64-bit ARM */ \
    X(DOTPROD, "dotprod") /* ARMv8.2 dot product of bytes */ \
    X(I8MM, "i8mm")       /* ARMv8.6 matrix product of bytes */
#else
#define WKV_CPU_EACH_LEVEL(X) \
    X(REF, "ref")         /* portable C only */ \
    X(AVX2, "avx2")       /* AVX2, FMA, F16C */ \
    X(AVXVNNI, "avxvnni") /* AVX-VNNI: products of bytes in 256 bits */ \
    X(AVX512, "avx512")   /* AVX-512 F, BW, DQ, VL */ \
    X(VNNI, "vnni")       /* AVX-512 VNNI: products of bytes */ \
    X(AMX, "amx")         /* AMX: products of tiles of bytes and of bf16 */
#endif

typedef enum wkv_cpu_level {
#define LEVEL(id, name) WKV_CPU_##id,
    WKV_CPU_EACH_LEVEL(LEVEL)
#undef LEVEL
    WKV_CPU_LEVELS
} wkv_cpu_level;

/* The highest level that processor and operating system both support, lowered by the
 * environment variable WKV_CPU when that names one below it.  The first call decides, for the life
 * of the process; any thread may make it. */
wkv_cpu_level wkv_cpu_detect(void);
/* Whether what this level, up to the highest, adds is there.  Only AVX-VNNI may be missing: there are
 * processors with AVX-512 that do not have it. */
bool wkv_cpu_has(wkv_cpu_level level);
const char *wkv_cpu_level_name(wkv_cpu_level level);

#endif
