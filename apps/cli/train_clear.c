/* apps/cli/train_clear.c - see train_clear.h. */
#include "cli/train_clear.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/train_keep.h"
#include "common/term.h"

/* What a run has in its folder beside checkpoints and options. */
static const char *const names[] = {
    WKV_TRAIN_METRICS,     "samples.jsonl", WKV_TRAIN_MANIFEST,  "model.safetensors",
    "adapter.safetensors", "adapter.pth",   "state.safetensors", "state.pth"};

static bool is_removed(const char *name)
{
    for (size_t i = 0; i < WKV_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strcmp(name, WKV_TRAIN_OPTIONS) == 0 || wkv_train_keep_names(name);
}

/* ---- what must stay ------------------------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether emptying the folder would remove the file, or one of those in it where it is that
 * folder. */
static bool would_remove(const char *dir, const struct stat *file)
{
    struct stat st;
    const struct dirent *entry;
    bool any = false, found = false;
    DIR *d = opendir(dir);
    while (d != NULL && !found && (entry = readdir(d)) != NULL) {
        if (!is_removed(entry->d_name) || fstatat(dirfd(d), entry->d_name, &st, 0) != 0)
            continue;
        any = true;
        found = same_file(&st, file);
    }
    if (d != NULL)
        closedir(d);
    return found || (any && stat(dir, &st) == 0 && same_file(&st, file));
}

/* A file that an option names, or, of data, those of which it names the beginning. */
static bool spares(const char *dir, const char *option, const char *name)
{
    static const char *const suffix[] = {"", ".bin", ".idx", ".mask.bin", ".mask.idx"};
    char path[WKV_PATH_MAX + 16];
    struct stat st;
    for (size_t i = 0; name != NULL && i < WKV_COUNT(suffix); i++) {
        snprintf(path, sizeof path, "%s%s", name, suffix[i]);
        if (stat(path, &st) != 0 || !would_remove(dir, &st))
            continue;
        wkv_term_error("train",
                       "--%s %s: a run that begins in %s removes this file of an earlier one; "
                       "choose another --out, or move the file away",
                       option, path, dir);
        return false;
    }
    return true;
}

static bool has(const char *dir, const char *name)
{
    char path[WKV_PATH_MAX];
    return access(wkv_files_join(path, dir, name), F_OK) == 0;
}

/* Other programs call their files model.safetensors too. */
static bool is_of_a_run(const char *dir)
{
    if (has(dir, WKV_TRAIN_OPTIONS) || has(dir, WKV_TRAIN_MANIFEST) ||
        wkv_train_keep_newest(dir) >= 0)
        return true;
    for (size_t i = 0; i < WKV_COUNT(names); i++) {
        if (!has(dir, names[i]))
            continue;
        wkv_term_error("train",
                       "%s/%s is not of a run, for there is no " WKV_TRAIN_OPTIONS
                       ", " WKV_TRAIN_MANIFEST " or checkpoint beside it, and a run that begins "
                       "would remove it; choose another --out, or move the file away",
                       dir, names[i]);
        return false;
    }
    return true;
}

bool wkv_train_clear_check(const char *dir, const wkv_train_options *o)
{
    if (!is_of_a_run(dir))
        return false;
    for (int i = 0; i < o->sources.n; i++)
        if (!spares(dir, "data", o->sources.source[i].path))
            return false;
    return spares(dir, "val", o->t.val) && spares(dir, "init", o->t.init) &&
           spares(dir, "vocab", o->t.vocab) && spares(dir, "sample-file", o->sample.file);
}

/* ---- removing ------------------------------------------------------------------------------- */

bool wkv_train_clear(const char *dir)
{
    char why[WKV_WHY_MAX];
    /* Checkpoints go first: a run is never resumed with another's options. */
    bool ok = wkv_train_keep_clear(dir);
    for (size_t i = 0; i < WKV_COUNT(names) && ok; i++) {
        ok = wkv_files_remove(dir, names[i], why);
        if (!ok)
            wkv_term_error("train", "%s", why);
    }
    return ok;
}

void wkv_train_clear_sweep(const char *dir)
{
    wkv_files_sweep(dir, WKV_TRAIN_OPTIONS, "tmp");
    for (size_t i = 0; i < WKV_COUNT(names); i++)
        wkv_files_sweep(dir, names[i], "tmp");
    wkv_train_keep_sweep(dir);
}
