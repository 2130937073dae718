/* os/posix/folder.c - folders: what is in one, and writing one so that it appears whole or
 * not at all, under a temporary name beside its own until it is complete. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/os.h"
#include "os/posix/posix.h"

bool wkv_path_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

wkv_status wkv_folder_each(const char *path, void (*visit)(void *user, const char *name),
                           void *user, wkv_error *err)
{
    DIR *d = opendir(path);
    if (d == NULL)
        WKV_FAIL(err, WKV_E_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (!is_dots(e->d_name))
            visit(user, e->d_name);
    closedir(d);
    return WKV_OK;
}

static void count(void *user, const char *name)
{
    (void)name;
    ++*(int *)user;
}

/* E_ARGUMENT when something is at path that a rename would have to destroy. */
static wkv_status check_free(const char *path, wkv_error *err)
{
    struct stat st;
    int entries = 0;
    if (lstat(path, &st) != 0)
        return WKV_OK;
    if (!S_ISDIR(st.st_mode))
        WKV_FAIL(err, WKV_E_ARGUMENT, "%s: exists and is no folder", path);
    WKV_TRY(wkv_folder_each(path, count, &entries, err));
    if (entries > 0)
        WKV_FAIL(err, WKV_E_ARGUMENT,
                 "%s: the folder is not empty; a model is written to a new or an empty one", path);
    return WKV_OK;
}

wkv_status wkv_folder_create(char **temp, const char *path, wkv_error *err)
{
    enum { TRIES = 100 }; /* past what a dead process of the same number has left */
    *temp = NULL;
    WKV_TRY(check_free(path, err));
    for (int i = 0; i < TRIES; i++) {
        *temp = wkv_temp_name(path);
        if (*temp == NULL)
            WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", path);
        if (mkdir(*temp, 0777) == 0)
            return WKV_OK;
        const int why = errno;
        wkv_free(*temp);
        *temp = NULL;
        if (why != EEXIST || i == TRIES - 1)
            WKV_FAIL(err, WKV_E_IO, "%s: cannot create: %s", path, strerror(why));
    }
    return WKV_E_IO;
}

/* Some file systems cannot sync a folder, and say so; that is no failure of ours. */
static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), why = errno;
    close(fd);
    if (result != 0 && (why == EINVAL || why == ENOTSUP))
        return 0;
    errno = why;
    return result;
}

int wkv_sync_parent(const char *path)
{
    char copy[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof copy) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, path, n);
    copy[n] = '\0';
    return sync_folder(n > 0 ? copy : ".");
}

wkv_status wkv_folder_commit(char **temp, const char *path, wkv_error *err)
{
    /* An empty folder gives way to the rename; anything else makes it fail. */
    if (sync_folder(*temp) != 0 || rename(*temp, path) != 0 || wkv_sync_parent(path) != 0) {
        wkv_status s = WKV_SET(err, WKV_E_IO, "%s: cannot put in place: %s", path, strerror(errno));
        wkv_folder_abort(temp);
        return s;
    }
    wkv_free(*temp);
    *temp = NULL;
    return WKV_OK;
}

/* All that was written there is files of ours. */
static void remove_entry(void *user, const char *name)
{
    unlinkat(*(const int *)user, name, 0);
}

void wkv_folder_abort(char **temp)
{
    if (*temp == NULL)
        return;
    int fd = open(*temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        wkv_folder_each(*temp, remove_entry, &fd, NULL);
        close(fd);
    }
    rmdir(*temp);
    wkv_free(*temp);
    *temp = NULL;
}
