/* os/posix/file.c - writing so that a crash or a full disk loses nothing: into a
 * temporary file beside the target, fsync, rename, fsync of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "os/os.h"
#include "os/posix/posix.h"

enum { BUFFER = 1 << 18 };

struct wkv_writer {
    int fd;
    char *path; /* the final name */
    char *temp; /* the name it has until then */
    uint64_t offset;
    size_t pending; /* bytes in buffer not yet written */
    unsigned char buffer[BUFFER];
};

static void release(wkv_writer **w)
{
    if ((*w)->fd >= 0)
        close((*w)->fd);
    wkv_free((*w)->path);
    wkv_free((*w)->temp);
    wkv_free(*w);
    *w = NULL;
}

/* The file that is to be replaced: a link stays one, and what it leads to is replaced.  `there`
 * says what is there, with st_mode 0 where nothing is. */
static wkv_status find_target(char target[PATH_MAX], struct stat *there, const char *path,
                              wkv_error *err)
{
    if (strlen(path) >= PATH_MAX)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot create: %s", path, strerror(ENAMETOOLONG));
    if (realpath(path, target) == NULL)
        memcpy(target, path, strlen(path) + 1);
    if (stat(target, there) != 0)
        *there = (struct stat){.st_mode = 0};
    if (there->st_mode != 0 && !S_ISREG(there->st_mode)) /* a rename would take its place */
        WKV_FAIL(err, WKV_E_IO, "%s: expected a file to write, found %s", path,
                 S_ISDIR(there->st_mode) ? "a folder" : "a device, pipe or socket");
    return WKV_OK;
}

char *wkv_temp_name(const char *path)
{
    static atomic_uint next;
    wkv_strbuf b;
    wkv_strbuf_init(&b);
    wkv_strbuf_printf(&b, "%s.%ld.%u.tmp", path, (long)getpid(), atomic_fetch_add(&next, 1));
    return wkv_strbuf_take(&b);
}

/* Opens a new file beside path; *name becomes its name.  -1 and errno: not done. */
static int open_beside(char **name, const char *path, int flags)
{
    int fd;
    do {
        wkv_free(*name);
        *name = wkv_temp_name(path);
        errno = ENOMEM;
        fd = *name == NULL ? -1 : open(*name, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EEXIST); /* of a process that was killed and had this number */
    return fd;
}

static wkv_status create(wkv_writer *w, const char *path, wkv_error *err)
{
    char target[PATH_MAX];
    struct stat there;
    WKV_TRY(find_target(target, &there, path, err));
    w->path = wkv_strndup(target, strlen(target));
    if (w->path == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    w->fd = open_beside(&w->temp, target, O_WRONLY);
    if (w->temp == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    if (w->fd < 0)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot create: %s", path, strerror(errno));
    /* What was private stays so; where modes cannot be set there are none. */
    if (there.st_mode != 0)
        (void)!fchmod(w->fd, there.st_mode & 0777);
    return WKV_OK;
}

wkv_status wkv_writer_open(wkv_writer **out, const char *path, wkv_error *err)
{
    *out = NULL;
    wkv_writer *w = wkv_calloc(1, sizeof *w);
    if (w == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    w->fd = -1;
    const wkv_status s = create(w, path, err);
    if (s != WKV_OK)
        release(&w);
    else
        *out = w;
    return s;
}

static wkv_status write_all(wkv_writer *w, const unsigned char *p, size_t n, wkv_error *err)
{
    while (n > 0) {
        ssize_t done = write(w->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) /* bytes from a mapping that have no file any more: EFAULT */
            WKV_FAIL(err, WKV_E_IO, "%s: cannot write after %llu bytes: %s", w->path,
                     (unsigned long long)(w->offset - n),
                     errno == EFAULT ? "a file became shorter while it was being read"
                                     : strerror(errno));
        p += done;
        n -= (size_t)done;
    }
    return WKV_OK;
}

static wkv_status flush(wkv_writer *w, wkv_error *err)
{
    size_t n = w->pending;
    w->pending = 0;
    return write_all(w, w->buffer, n, err);
}

wkv_status wkv_writer_write(wkv_writer *w, const void *data, size_t n, wkv_error *err)
{
    w->offset += n;
    if (w->pending + n > BUFFER)
        WKV_TRY(flush(w, err));
    if (n > BUFFER)
        return write_all(w, data, n, err);
    if (n > 0)
        memcpy(w->buffer + w->pending, data, n);
    w->pending += n;
    return WKV_OK;
}

uint64_t wkv_writer_offset(const wkv_writer *w)
{
    return w->offset;
}

wkv_status wkv_writer_sync(wkv_writer *w, wkv_error *err)
{
    WKV_TRY(flush(w, err));
    if (fsync(w->fd) != 0)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot sync: %s", w->path, strerror(errno));
    return WKV_OK;
}

wkv_status wkv_writer_commit(wkv_writer **pw, wkv_error *err)
{
    wkv_writer *w = *pw;
    wkv_status s = wkv_writer_sync(w, err);
    const int closed = close(w->fd);
    w->fd = -1; /* even where it failed */
    if (s == WKV_OK && closed != 0)
        s = WKV_SET(err, WKV_E_IO, "%s: cannot close: %s", w->path, strerror(errno));
    if (s == WKV_OK && (rename(w->temp, w->path) != 0 || wkv_sync_parent(w->path) != 0))
        s = WKV_SET(err, WKV_E_IO, "%s: cannot put in place: %s", w->path, strerror(errno));
    if (s != WKV_OK) {
        wkv_writer_abort(pw);
        return s;
    }
    release(pw);
    return WKV_OK;
}

void wkv_writer_abort(wkv_writer **w)
{
    if (*w == NULL)
        return;
    unlink((*w)->temp);
    release(w);
}

wkv_status wkv_scratch_open(FILE **out, const char *path, wkv_error *err)
{
    char *name = NULL;
    const int fd = open_beside(&name, path, O_RDWR);
    *out = fd >= 0 ? fdopen(fd, "w+b") : NULL;
    const int why = errno;
    if (fd >= 0)
        unlink(name);
    if (fd >= 0 && *out == NULL)
        close(fd);
    if (name == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
    wkv_free(name);
    if (*out == NULL)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot create: %s", path, strerror(why));
    return WKV_OK;
}

wkv_status wkv_remove_file(const char *path, wkv_error *err)
{
    if (unlink(path) == 0 ? wkv_sync_parent(path) != 0 : errno != ENOENT)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot remove: %s", path, strerror(errno));
    return WKV_OK;
}

bool wkv_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
