/* os/posix/map.c - read-only file mappings. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a device"
           : S_ISBLK(mode)  ? "a device"
                            : "something else";
}

/* Looks before it opens: to open a pipe would be to wait for its writer, and to open a device may
 * set it going. */
static wkv_status open_file(int *fd, struct stat *st, const char *path, wkv_error *err)
{
    if (stat(path, st) != 0)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(st->st_mode))
        WKV_FAIL(err, WKV_E_IO, "%s: expected a file, found %s", path, kind_of(st->st_mode));
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, st) == 0 && S_ISREG(st->st_mode))
        return WKV_OK;
    close(*fd);
    WKV_FAIL(err, WKV_E_IO, "%s: changed while it was opened", path);
}

wkv_status wkv_map_open(wkv_map *out, const char *path, wkv_error *err)
{
    *out = (wkv_map){0};
    int fd;
    struct stat st;
    WKV_TRY(open_file(&fd, &st, path, err));
    if (st.st_size == 0) {
        close(fd);
        out->data = (const uint8_t *)"";
        return WKV_OK;
    }
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int map_errno = errno;
    close(fd);
    if (data == MAP_FAILED)
        WKV_FAIL(err, map_errno == ENOMEM ? WKV_E_MEMORY : WKV_E_IO,
                 "%s: cannot map %lld bytes: %s", path, (long long)st.st_size, strerror(map_errno));
    out->data = data;
    out->size = (uint64_t)st.st_size;
    return WKV_OK;
}

void wkv_map_close(wkv_map *m)
{
    if (m->size > 0)
        munmap((void *)(uintptr_t)m->data, (size_t)m->size);
    *m = (wkv_map){0};
}

void wkv_map_let_go(const wkv_map *m)
{
    if (m->size > 0) /* nobody has written to it: the file still has all of it */
        madvise((void *)(uintptr_t)m->data, (size_t)m->size, MADV_DONTNEED);
}

void wkv_prefer_large_pages(void *p, size_t n)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)p + n) / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)p;
    (void)n;
#endif
}
