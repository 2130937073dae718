/* apps/common/files.c - see files.h. */
#include "common/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(char why[WKV_WHY_MAX], const char *path, const char *what)
{
    snprintf(why, WKV_WHY_MAX, "%s: %s: %s", path, what, strerror(errno));
    return false;
}

bool wkv_files_make_dirs(const char *path, char why[WKV_WHY_MAX])
{
    char copy[WKV_PATH_MAX];
    size_t n = strlen(path);
    struct stat st;
    if (n == 0 || n >= sizeof copy) {
        snprintf(why, WKV_WHY_MAX, "the folder's name is empty or too long");
        return false;
    }
    memcpy(copy, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        char end = copy[i];
        copy[i] = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return fail(why, copy, "cannot create the folder");
        copy[i] = end;
    }
    errno = ENOTDIR;
    return (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || fail(why, path, "cannot be used");
}

bool wkv_files_write(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* So that a new name is there after a power cut; where the system cannot, it is left at that. */
static void sync_folder_of(const char *path)
{
    char dir[WKV_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

bool wkv_files_remove(const char *dir, const char *name, char why[WKV_WHY_MAX])
{
    char path[WKV_PATH_MAX];
    return unlink(wkv_files_join(path, dir, name)) == 0 || errno == ENOENT ||
           fail(why, path, "cannot remove");
}

bool wkv_files_replace(const char *path, const char *data, size_t n, char why[WKV_WHY_MAX])
{
    char target[PATH_MAX], temp[WKV_PATH_MAX];
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a rename would take its place */
        snprintf(why, WKV_WHY_MAX, "%s: expected a file to write, found %s", path,
                 S_ISDIR(st.st_mode) ? "a folder" : "a device, pipe or socket");
        return false;
    }
    if (realpath(path, target) != NULL) /* a link stays one */
        path = target;
    int len = snprintf(temp, sizeof temp, "%s.%ld.tmp", path, (long)getpid());
    errno = ENAMETOOLONG;
    if (len < 0 || (size_t)len >= sizeof temp)
        return fail(why, path, "cannot write");
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(why, path, "cannot create");
    bool ok = (wkv_files_write(fd, data, n) && fsync(fd) == 0) || fail(why, path, "cannot write");
    if (close(fd) != 0 && ok)
        ok = fail(why, path, "cannot write");
    if (ok && rename(temp, path) != 0)
        ok = fail(why, path, "cannot put in place");
    if (ok)
        sync_folder_of(path);
    else
        unlink(temp);
    return ok;
}

/* Reads up to the end, which the size of a pipe does not say, nor that of a file which grows; false
 * with errno when it cannot. */
static bool read_all(FILE *f, char **data, size_t *n)
{
    struct stat st = {.st_size = 0};
    fstat(fileno(f), &st);
    size_t room = (size_t)st.st_size + (1 << 16);
    for (*n = 0; *n < WKV_FILES_READ_MAX && st.st_size <= WKV_FILES_READ_MAX; room *= 2) {
        char *larger = realloc(*data, room + 1);
        errno = ENOMEM;
        if (larger == NULL)
            return false;
        *data = larger;
        *n += fread(*data + *n, 1, room - *n, f);
        (*data)[*n] = '\0';
        if (*n < room)
            return !ferror(f);
    }
    errno = EFBIG;
    return false;
}

bool wkv_files_read(const char *path, char **data, size_t *n, char why[WKV_WHY_MAX])
{
    *data = NULL;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return fail(why, path, "cannot open");
    bool ok = read_all(f, data, n);
    int reason = errno;
    fclose(f);
    if (ok)
        return true;
    free(*data);
    *data = NULL;
    errno = reason;
    if (reason != EFBIG)
        return fail(why, path, "cannot read");
    snprintf(why, WKV_WHY_MAX, "%s: expected at most %d MiB, found more", path,
             WKV_FILES_READ_MAX >> 20);
    return false;
}

bool wkv_files_same(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

bool wkv_files_lock(const char *dir, int *lock, char why[WKV_WHY_MAX])
{
    *lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return fail(why, dir, "cannot open");
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    bool busy = errno == EWOULDBLOCK;
    close(*lock);
    *lock = -1;
    if (busy)
        snprintf(why, WKV_WHY_MAX, "%s: another process is at work in this folder", dir);
    return !busy;
}

static void sweep(const char *dir, const char *name, const char *suffix, bool spare_living)
{
    size_t n = strlen(name);
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        const char *rest = entry->d_name + n;
        if (strncmp(entry->d_name, name, n) != 0 || *rest++ != '.')
            continue;
        size_t number = strspn(rest, "0123456789.");
        if (number < 2 || number > 19 || rest[number - 1] != '.' ||
            strcmp(rest + number, suffix) != 0)
            continue;
        if (!spare_living || (kill((pid_t)atoll(rest), 0) != 0 && errno == ESRCH))
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d != NULL)
        closedir(d);
}

void wkv_files_sweep(const char *dir, const char *name, const char *suffix)
{
    sweep(dir, name, suffix, false);
}

void wkv_files_sweep_dead(const char *dir, const char *name)
{
    sweep(dir, name, "tmp", true);
}

const char *wkv_files_join(char buf[WKV_PATH_MAX], const char *dir, const char *name)
{
    snprintf(buf, WKV_PATH_MAX, "%s/%s", dir, name);
    return buf;
}

const char *wkv_files_absolute(char buf[WKV_PATH_MAX], const char *path)
{
    char dir[WKV_PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0, rest = strlen(path + n);
    snprintf(buf, WKV_PATH_MAX, "%s", path);
    if (n + 2 > sizeof dir)
        return buf;
    memcpy(dir, path, n);
    memcpy(dir + n, ".", 2);
    if (realpath(dir, real) == NULL)
        return buf;
    size_t lead = strcmp(real, "/") == 0 ? 0 : strlen(real);
    if (lead + 1 + rest + 1 <= WKV_PATH_MAX) {
        memcpy(buf, real, lead);
        buf[lead] = '/';
        memcpy(buf + lead + 1, path + n, rest + 1);
    }
    return buf;
}
