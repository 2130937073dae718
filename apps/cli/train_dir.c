/* apps/cli/train_dir.c - see train_dir.h. */
#include "cli/train_dir.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/train_clear.h"
#include "cli/train_keep.h"
#include "common/json_out.h"
#include "common/term.h"

#define EVENTS "events.out.tfevents"

static bool fail(const char *why)
{
    wkv_term_error("train", "%s", why);
    return false;
}

void wkv_train_dir_init(wkv_train_dir *d, const char *path)
{
    *d = (wkv_train_dir){.path = path, .lock = -1};
    wkv_files_join(d->options, path, WKV_TRAIN_OPTIONS);
    wkv_files_join(d->metrics, path, WKV_TRAIN_METRICS);
    wkv_train_dir_makes(d, "model");
}

void wkv_train_dir_makes(wkv_train_dir *d, const char *what)
{
    char name[64];
    d->made = what;
    snprintf(name, sizeof name, "%s.safetensors", what);
    wkv_files_join(d->model, d->path, name);
}

bool wkv_train_dir_has_options(const wkv_train_dir *d)
{
    return access(d->options, F_OK) == 0;
}

void wkv_train_dir_deinit(wkv_train_dir *d)
{
    if (d->lock >= 0)
        close(d->lock);
    for (int i = 0; i < d->n_text; i++)
        free(d->text[i]);
    json_decref(d->kept);
    *d = (wkv_train_dir){.lock = -1};
}

/* ---- options -------------------------------------------------------------------------- */

/* Options that may change when a run is resumed: they do not decide what is learnt. */
static bool may_change(const char *name)
{
    static const char *const names[] = {
        "threads",    "save-every",    "val-every",   "plot",         "keep",
        "keep-every", "sample-prompt", "sample-file", "sample-every", "sample-tokens",
        "recompute",  "memory-limit",  "guard",       "guard-stop"};
    for (size_t i = 0; i < WKV_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Options that are about this call and not about the run. */
static bool is_kept(const wkv_arg_option *o)
{
    static const char *const names[] = {"out", "resume", "plot", "watch"};
    for (size_t i = 0; i < WKV_COUNT(names); i++)
        if (strcmp(names[i], o->name) == 0)
            return false;
    return true;
}

/* The text of a value in options.json, living as long as d; NULL when it is none. */
static const char *text_of(wkv_train_dir *d, const json_t *value)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (!json_is_number(value) || d->n_text == (int)WKV_COUNT(d->text))
        return NULL;
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (text != NULL)
        d->text[d->n_text++] = text;
    return text;
}

static bool contradicts(const wkv_arg_option *o, const char *now, const char *kept)
{
    wkv_term_error("train",
                   "--%s%s%s contradicts the run that is resumed, which has %s; leave it out, "
                   "or begin another run with another --out",
                   o->name, now[0] != '\0' ? " " : "", now, kept[0] != '\0' ? kept : "none");
    return false;
}

static bool is_no_value(const wkv_train_dir *d, const wkv_arg_option *o)
{
    wkv_term_error("train", "%s: \"%s\" is not a value of --%s", d->options, o->name, o->name);
    return false;
}

static bool recall_flag(const wkv_train_dir *d, const wkv_arg_option *o, bool given, void *options)
{
    const json_t *value = json_object_get(d->kept, o->name);
    if (value != NULL && !json_is_boolean(value))
        return is_no_value(d, o);
    if (given && !json_is_true(value))
        return contradicts(o, "", "not");
    *(bool *)((char *)options + o->offset) = json_is_true(value);
    return true;
}

static bool recall_list(const wkv_train_dir *d, const wkv_arg_option *o, bool given, void *options)
{
    char now[WKV_PATH_MAX], kept[WKV_PATH_MAX];
    const json_t *value = json_object_get(d->kept, o->name);
    wkv_args_format(o, options, now, sizeof now);
    ((wkv_arg_list *)(void *)((char *)options + o->offset))->n = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (text == NULL || wkv_args_set(o, options, text) != NULL)
            return is_no_value(d, o);
    }
    wkv_args_format(o, options, kept, sizeof kept);
    return !given || strcmp(now, kept) == 0 || contradicts(o, now, kept);
}

static bool recall_option(wkv_train_dir *d, const wkv_arg_option *o, bool given, void *options)
{
    char now[WKV_PATH_MAX], kept[WKV_PATH_MAX];
    const json_t *value = json_object_get(d->kept, o->name);
    if (given && may_change(o->name))
        return true;
    if (o->type == WKV_ARG_FLAG)
        return recall_flag(d, o, given, options);
    if (o->type == WKV_ARG_LIST)
        return recall_list(d, o, given, options);
    const char *text = value != NULL ? text_of(d, value) : "";
    wkv_args_format(o, options, now, sizeof now);
    if (text == NULL || (*text != '\0' && wkv_args_set(o, options, text) != NULL))
        return is_no_value(d, o);
    if (*text == '\0' && (o->type == WKV_ARG_TEXT || o->type == WKV_ARG_CHOICE))
        *(const char **)((char *)options + o->offset) = NULL;
    wkv_args_format(o, options, kept, sizeof kept);
    return !given || strcmp(now, kept) == 0 || contradicts(o, now, kept);
}

static bool take(wkv_train_dir *d)
{
    char why[WKV_WHY_MAX];
    if (!wkv_files_lock(d->path, &d->lock, why))
        return fail(why);
    wkv_train_clear_sweep(d->path);
    return true;
}

/* A folder without options.json is to hold no checkpoints: it is not known how they were made. */
static bool has_no_run(const wkv_train_dir *d)
{
    const int64_t step = wkv_train_keep_newest(d->path);
    if (step < 0)
        return true;
    wkv_term_error("train",
                   "%s has the checkpoint of step %lld but no " WKV_TRAIN_OPTIONS
                   ", which says how its run goes on; put that back, or begin with another --out",
                   d->path, (long long)step);
    return false;
}

bool wkv_train_dir_recall(wkv_train_dir *d, const wkv_command *c, const wkv_args *args,
                          void *options, bool *found)
{
    char why[WKV_WHY_MAX], *data;
    size_t n;
    json_error_t err;
    *found = false;
    if (access(d->path, F_OK) != 0)
        return true;
    if (!take(d))
        return false;
    *found = wkv_train_dir_has_options(d);
    if (!*found)
        return has_no_run(d);
    if (!wkv_files_read(d->options, &data, &n, why))
        return fail(why);
    d->kept = json_loadb(data, n, JSON_REJECT_DUPLICATES, &err);
    free(data);
    if (!json_is_object(d->kept)) {
        wkv_term_error("train", "%s, line %d: expected the options of a run: %s", d->options,
                       err.line, d->kept == NULL ? err.text : "not an object");
        return false;
    }
    for (size_t i = 0; i < c->n_options; i++)
        if (is_kept(&c->options[i]) && !recall_option(d, &c->options[i], args->given[i], options))
            return false;
    return true;
}

/* Numbers are written as numbers, but for those that JSON's readers may not hold. */
static void write_option(FILE *f, const wkv_arg_option *o, const void *options)
{
    char text[WKV_PATH_MAX];
    const void *value = (const char *)options + o->offset;
    wkv_json j;
    wkv_json_init(&j, f);
    wkv_args_format(o, options, text, sizeof text);
    if (o->type == WKV_ARG_FLAG) {
        wkv_json_bool(&j, o->name, *(const bool *)value);
    } else if (o->type == WKV_ARG_LIST) {
        const wkv_arg_list *list = value;
        wkv_json_open(&j, o->name, '[');
        for (int i = 0; i < list->n; i++)
            wkv_json_string(&j, NULL, list->item[i]);
        wkv_json_close(&j, ']');
    } else if (o->type == WKV_ARG_TEXT || o->type == WKV_ARG_CHOICE || o->type == WKV_ARG_SEED) {
        wkv_json_string(&j, o->name, text);
    } else {
        fprintf(f, "\"%s\": %s", o->name, text);
    }
}

static bool write_options(const wkv_train_dir *d, const wkv_command *c, const void *options)
{
    char why[WKV_WHY_MAX], *data = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&data, &n);
    if (f == NULL)
        return fail("out of memory");
    const char *comma = "{\n";
    for (size_t i = 0; i < c->n_options; i++) {
        if (!is_kept(&c->options[i]))
            continue;
        fputs(comma, f);
        write_option(f, &c->options[i], options);
        comma = ",\n";
    }
    fputs("\n}\n", f);
    bool ok = !ferror(f) && fclose(f) == 0;
    ok = ok ? wkv_files_replace(d->options, data, n, why) || fail(why) : fail("out of memory");
    free(data);
    return ok;
}

bool wkv_train_dir_make(wkv_train_dir *d)
{
    char why[WKV_WHY_MAX];
    return d->lock >= 0 || ((wkv_files_make_dirs(d->path, why) || fail(why)) && take(d));
}

bool wkv_train_dir_begin(wkv_train_dir *d, const wkv_command *c, const void *options)
{
    wkv_files_sweep(d->path, EVENTS, "wkv");
    return wkv_train_clear(d->path) && write_options(d, c, options);
}
