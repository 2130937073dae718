/* apps/cli/train_keep.c - see train_keep.h.
 *
 * The folder itself is the list: nothing else could say after a kill what there is. */
#include "cli/train_keep.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/term.h"

#define PREFIX "checkpoint-"
#define SUFFIX ".safetensors"
#define DAMAGED ".damaged"

const char *wkv_train_keep_path(char path[WKV_PATH_MAX], const char *dir, int64_t step)
{
    snprintf(path, WKV_PATH_MAX, "%s/" PREFIX "%08lld" SUFFIX, dir, (long long)step);
    return path;
}

/* The step in a checkpoint's name, *rest being what follows the suffix; -1: no such name. */
static int64_t step_of(const char *name, const char **rest)
{
    const size_t prefix = sizeof PREFIX - 1, suffix = sizeof SUFFIX - 1;
    *rest = "";
    if (strncmp(name, PREFIX, prefix) != 0)
        return -1;
    size_t digits = strspn(name + prefix, "0123456789");
    const char *end = name + prefix + digits;
    if (digits < 8 || digits > 18 || strncmp(end, SUFFIX, suffix) != 0)
        return -1;
    *rest = end + suffix;
    return strtoll(name + prefix, NULL, 10);
}

bool wkv_train_keep_names(const char *name)
{
    const char *rest;
    return step_of(name, &rest) >= 0;
}

static int is_checkpoint(const struct dirent *e)
{
    return wkv_train_keep_names(e->d_name);
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
    const char *rest;
    int64_t x = step_of((*a)->d_name, &rest), y = step_of((*b)->d_name, &rest);
    return (x < y) - (x > y);
}

/* The entries of a folder whose names begin like a checkpoint's. */
typedef struct listing {
    struct dirent **entry;
    int n;
} listing;

static listing read_listing(const char *dir)
{
    listing l = {.n = 0};
    l.n = scandir(dir, &l.entry, is_checkpoint, newest_first);
    if (l.n < 0) /* no folder yet */
        l = (listing){.n = 0};
    return l;
}

static void free_listing(listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->entry[i]);
    free(l->entry);
}

/* The step of entry i when it is a checkpoint and nothing else, or -1. */
static int64_t whole(const listing *l, int i)
{
    const char *rest;
    int64_t step = step_of(l->entry[i]->d_name, &rest);
    return *rest == '\0' ? step : -1;
}

static bool is_damaged(const char *name)
{
    const char *rest;
    return step_of(name, &rest) >= 0 && strcmp(rest, DAMAGED) == 0;
}

static bool remove_in(const char *dir, const char *name)
{
    char why[WKV_WHY_MAX];
    if (wkv_files_remove(dir, name, why))
        return true;
    wkv_term_error("train", "%s", why);
    return false;
}

/* ---- the newest ---------------------------------------------------------------------------- */

/* A file that is damaged stays, out of the way, for whoever wants to look at it. */
static bool set_aside(const char *path)
{
    char aside[WKV_PATH_MAX + sizeof DAMAGED];
    snprintf(aside, sizeof aside, "%s" DAMAGED, path);
    bool ok = rename(path, aside) == 0;
    if (ok)
        wkv_term_error("train", "set aside as %s", aside);
    else
        wkv_term_error("train", "%s: cannot rename: %s", path, strerror(errno));
    return ok;
}

wkv_train_kept wkv_train_keep_restore(const char *dir, wkv_trainer *t)
{
    char path[WKV_PATH_MAX];
    wkv_error err;
    wkv_status s = WKV_OK;
    bool any = false, done = false;
    listing l = read_listing(dir);
    for (int i = 0; i < l.n && !done; i++) {
        any = any || is_damaged(l.entry[i]->d_name);
        if (whole(&l, i) < 0)
            continue;
        wkv_files_join(path, dir, l.entry[i]->d_name);
        s = wkv_trainer_restore(t, path, &err);
        if (s == WKV_OK && any)
            wkv_term_error("train", "using the one before, %s", path);
        if (s != WKV_OK)
            wkv_term_error("train", "%s", err.text);
        any = true;
        done = s == WKV_OK || s != WKV_E_FORMAT || !set_aside(path);
    }
    free_listing(&l);
    if (any && !done)
        wkv_term_error("train",
                       "no checkpoint in %s is whole; without --resume the run begins anew", dir);
    return !any ? WKV_KEPT_NONE : done && s == WKV_OK ? WKV_KEPT_RESTORED : WKV_KEPT_FAILED;
}

int64_t wkv_train_keep_newest(const char *dir)
{
    int64_t step = -1;
    listing l = read_listing(dir);
    for (int i = 0; i < l.n && step < 0; i++)
        step = whole(&l, i);
    free_listing(&l);
    return step;
}

/* ---- removing ------------------------------------------------------------------------------ */

bool wkv_train_keep_prune(const char *dir, int64_t newest, int64_t every)
{
    bool ok = true;
    int64_t seen = 0;
    listing l = read_listing(dir);
    for (int i = 0; i < l.n && newest > 0; i++) {
        int64_t step = whole(&l, i);
        if (step >= 0 && ++seen > newest && (every == 0 || step % every != 0))
            ok = remove_in(dir, l.entry[i]->d_name) && ok;
    }
    free_listing(&l);
    return ok;
}

/* Removes the entries whose names end in `end`, or all. */
static bool remove_ending(const char *dir, const char *end)
{
    bool ok = true;
    listing l = read_listing(dir);
    for (int i = 0; i < l.n; i++) {
        const char *name = l.entry[i]->d_name;
        if (strcmp(name + strlen(name) - strlen(end), end) == 0)
            ok = remove_in(dir, name) && ok;
    }
    free_listing(&l);
    return ok;
}

void wkv_train_keep_sweep(const char *dir)
{
    remove_ending(dir, ".tmp");
}

bool wkv_train_keep_clear(const char *dir)
{
    return remove_ending(dir, "");
}
