/* apps/cli/train_manifest.c - see train_manifest.h. */
#include "cli/train_manifest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/term.h"

static bool fail(const char *why)
{
    wkv_term_error("train", "%s", why);
    return false;
}

static json_t *time_text(time_t at)
{
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&at, &utc) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

/* Checksums, and seeds, whose upper half JSON's numbers cannot hold, are text. */
static json_t *checksum(uint32_t crc)
{
    return json_sprintf("%08lx", (unsigned long)crc);
}

/* Texts that are no UTF-8, as names of files may be, become null. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    json_object_set_new(object, key, value != NULL ? value : json_null());
}

/* ---- what the run is ----------------------------------------------------------------------- */

static json_t *source(const char *path, const wkv_source_info *info)
{
    struct stat st;
    char bin[WKV_PATH_MAX + 8];
    json_t *s = json_object();
    set_text(s, "path", path);
    snprintf(bin, sizeof bin, "%s.bin", path);
    if (stat(wkv_train_data_binidx(path) ? bin : path, &st) == 0) {
        json_object_set_new(s, "bytes", json_integer((json_int_t)st.st_size));
        json_object_set_new(s, "modified", time_text(st.st_mtime));
    }
    json_object_set_new(s, "tokens", json_integer((json_int_t)info->tokens));
    json_object_set_new(s, "documents", json_integer((json_int_t)info->documents));
    json_object_set_new(s, "crc32c", checksum(info->crc32c));
    return s;
}

static json_t *sources(const wkv_train_options *o, const wkv_trainer *t)
{
    json_t *list = json_array();
    wkv_source_info info;
    for (int32_t i = 0; i < o->sources.n && wkv_trainer_source(t, i, &info); i++)
        json_array_append_new(list, source(o->sources.source[i].path, &info));
    return list;
}

static json_t *describe(const wkv_train_options *o, const wkv_trainer *t)
{
    wkv_trainer_info info;
    wkv_trainer_describe(t, &info);
    json_t *m = json_object(), *data = json_object(), *held = json_object();
    json_object_set_new(m, "started", time_text(time(NULL)));
    json_object_set_new(m, "seed", json_sprintf("%llu", (unsigned long long)o->t.seed));
    set_text(m, "arch", info.arch);
    json_object_set_new(m, "parameters", json_integer((json_int_t)info.parameters));
    json_object_set_new(m, "steps", json_integer(info.steps));
    json_object_set_new(data, "tokens", json_integer((json_int_t)info.tokens));
    json_object_set_new(data, "documents", json_integer((json_int_t)info.documents));
    json_object_set_new(data, "crc32c", checksum(info.data_crc32c));
    json_object_set_new(data, "sources", sources(o, t));
    json_object_set_new(held, "tokens", json_integer((json_int_t)info.val_tokens));
    json_object_set_new(held, "crc32c", checksum(info.val_crc32c));
    json_object_set_new(m, "data", data);
    json_object_set_new(m, "held_out", held);
    json_object_set_new(m, "calls", json_array());
    return m;
}

/* ---- what a call is ------------------------------------------------------------------------ */

static json_t *versions(void)
{
    json_t *v = json_object();
    int32_t n[3];
    set_text(v, "wkv", wkv_version());
    set_text(v, "compiler", wkv_compiler());
    json_object_set_new(v, "onednn",
                        wkv_onednn_version(n)
                            ? json_sprintf("%d.%d.%d", (int)n[0], (int)n[1], (int)n[2])
                            : json_null());
    return v;
}

static json_t *machine(int32_t threads)
{
    struct utsname u;
    json_t *m = json_object();
    if (uname(&u) == 0) {
        set_text(m, "host", u.nodename);
        json_object_set_new(m, "system", json_sprintf("%s %s %s", u.sysname, u.release, u.machine));
    }
    set_text(m, "level", wkv_cpu_name());
    json_object_set_new(m, "threads", json_integer(threads));
    return m;
}

static json_t *describe_call(const wkv_train_options *o, const wkv_trainer *t)
{
    char folder[WKV_PATH_MAX];
    wkv_trainer_info info;
    wkv_trainer_describe(t, &info);
    json_t *c = json_object(), *command = json_array();
    json_array_append_new(command, json_string("wkv"));
    json_array_append_new(command, json_string("train"));
    for (int i = 0; i < o->argc; i++) {
        json_t *word = json_string(o->argv[i]);
        json_array_append_new(command, word != NULL ? word : json_null());
    }
    json_object_set_new(c, "command", command);
    set_text(c, "folder", getcwd(folder, sizeof folder));
    json_object_set_new(c, "versions", versions());
    json_object_set_new(c, "machine", machine(info.threads));
    json_object_set_new(c, "began", time_text(time(NULL)));
    json_object_set_new(c, "from_step", json_integer(info.step));
    return c;
}

/* ---- reading and writing ------------------------------------------------------------------- */

static bool write_out(const wkv_train_manifest *m)
{
    char why[WKV_WHY_MAX];
    char *text = json_dumps(m->all, JSON_INDENT(2));
    if (text == NULL)
        return fail("out of memory for the manifest");
    size_t n = strlen(text);
    text[n] = '\n'; /* in the place of the NUL, which nobody reads */
    bool ok = wkv_files_replace(m->path, text, n + 1, why) || fail(why);
    free(text);
    return ok;
}

static const char *crc_of(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "crc32c"));
    return text != NULL ? text : "none";
}

static bool same(const json_t *then, const json_t *now)
{
    return json_equal(json_object_get(then, "tokens"), json_object_get(now, "tokens")) &&
           strcmp(crc_of(then), crc_of(now)) == 0;
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* Says which source is not what it was. */
static bool compare_data(const wkv_train_manifest *m, const json_t *now)
{
    const json_t *then = json_object_get(m->all, "data");
    const json_t *old = json_object_get(then, "sources"), *new = json_object_get(now, "sources");
    if (then == NULL || same(then, now))
        return true;
    for (size_t i = 0; i < json_array_size(old) && i < json_array_size(new); i++) {
        const json_t *a = json_array_get(old, i), *b = json_array_get(new, i);
        const char *path = json_string_value(json_object_get(b, "path"));
        const char *modified = json_string_value(json_object_get(b, "modified"));
        if (!same(a, b))
            wkv_term_error("train",
                           "%s is not what the run began with: %lld tokens with checksum %s, "
                           "modified %s; then %lld with %s",
                           path != NULL ? path : "a source", number(b, "tokens"), crc_of(b),
                           modified != NULL ? modified : "at a time unknown", number(a, "tokens"),
                           crc_of(a));
    }
    wkv_term_error("train",
                   "a run can be resumed with its own data only; begin another with another --out");
    return false;
}

bool wkv_train_manifest_recall(wkv_train_manifest *m, const char *folder,
                               const wkv_train_options *o, const wkv_trainer *t)
{
    json_error_t err;
    char why[WKV_WHY_MAX], *text;
    size_t n;
    wkv_files_join(m->path, folder, WKV_TRAIN_MANIFEST);
    if (access(m->path, F_OK) != 0)
        return true;
    if (!wkv_files_read(m->path, &text, &n, why))
        return fail(why);
    m->all = json_loadb(text, n, JSON_REJECT_DUPLICATES, &err);
    free(text);
    if (!json_is_array(json_object_get(m->all, "calls"))) {
        wkv_term_error("train", "%s, line %d: expected the manifest of a run: %s", m->path,
                       err.line, m->all == NULL ? err.text : "no \"calls\"");
        return false;
    }
    json_t *now = describe(o, t);
    bool ok = compare_data(m, json_object_get(now, "data"));
    if (ok && !same(json_object_get(m->all, "held_out"), json_object_get(now, "held_out")))
        wkv_term_error("train", "the held-out data are not what the run began with: validation "
                                "losses from here on do not compare with those before");
    json_decref(now);
    return ok;
}

bool wkv_train_manifest_begin(wkv_train_manifest *m, const char *folder, const wkv_train_options *o,
                              const wkv_trainer *t)
{
    wkv_files_join(m->path, folder, WKV_TRAIN_MANIFEST);
    if (m->all == NULL)
        m->all = describe(o, t);
    m->call = describe_call(o, t);
    if (json_array_append_new(json_object_get(m->all, "calls"), m->call) != 0)
        return fail("out of memory for the manifest");
    return write_out(m);
}

bool wkv_train_manifest_end(wkv_train_manifest *m, int64_t step, const char *how)
{
    if (m->call == NULL)
        return true;
    json_object_set_new(m->call, "ended", time_text(time(NULL)));
    json_object_set_new(m->call, "to_step", json_integer(step));
    set_text(m->call, "how", how);
    return write_out(m);
}

void wkv_train_manifest_deinit(wkv_train_manifest *m)
{
    json_decref(m->all);
    *m = (wkv_train_manifest){.all = NULL};
}
