/* apps/common/args.c - parsing and checking against a command's table. */
#include "common/args.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values -------------------------------------------------------------------- */

static void *place(const wkv_arg_option *o, void *options)
{
    return (char *)options + o->offset;
}

/* Text of what an option's value may be; a static buffer, for one message at a time. */
static const char *expected(const wkv_arg_option *o)
{
    static char text[256];
    bool whole = o->type == WKV_ARG_INT || o->type == WKV_ARG_LONG || o->type == WKV_ARG_SEED;
    const char *kind = whole ? "a whole number" : "a number";
    if (o->type == WKV_ARG_CHOICE)
        snprintf(text, sizeof text, "one of %s", wkv_arg_choices(o));
    else if (o->type == WKV_ARG_SEED)
        snprintf(text, sizeof text, "%s from 0 to 18446744073709551615", kind);
    else if (o->above && isinf(o->max))
        snprintf(text, sizeof text, "%s above %g", kind, o->min);
    else if (o->above)
        snprintf(text, sizeof text, "%s above %g and at most %.15g", kind, o->min, o->max);
    else if (isinf(o->min))
        snprintf(text, sizeof text, "%s", kind);
    else if (isinf(o->max))
        snprintf(text, sizeof text, "%s from %g on", kind, o->min);
    else if (o->below)
        snprintf(text, sizeof text, "%s from %g on and below %.15g", kind, o->min, o->max);
    else
        snprintf(text, sizeof text, "%s from %g to %.15g", kind, o->min, o->max);
    return text;
}

static bool in_range(const wkv_arg_option *o, double v)
{
    return isfinite(v) && (o->above ? v > o->min : v >= o->min) &&
           (o->below ? v < o->max : v <= o->max);
}

static bool set_whole(const wkv_arg_option *o, void *options, const char *text)
{
    char *end;
    errno = 0;
    if (o->type == WKV_ARG_SEED) {
        unsigned long long v = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
            return false;
        *(uint64_t *)place(o, options) = v;
        return true;
    }
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || !in_range(o, (double)v))
        return false;
    if (o->type == WKV_ARG_INT)
        *(int32_t *)place(o, options) = (int32_t)v;
    else
        *(int64_t *)place(o, options) = v;
    return true;
}

static bool set_real(const wkv_arg_option *o, void *options, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !in_range(o, v))
        return false;
    if (o->type == WKV_ARG_FLOAT)
        *(float *)place(o, options) = (float)v;
    else
        *(double *)place(o, options) = v;
    return true;
}

static bool is_choice(const wkv_arg_option *o, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = wkv_arg_choices(o); n > 0 && p != NULL; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0'))
            return true;
    }
    return false;
}

const char *wkv_args_set(const wkv_arg_option *o, void *options, const char *text)
{
    wkv_arg_list *list = place(o, options);
    switch (o->type) {
    case WKV_ARG_FLAG:
        *(bool *)place(o, options) = true;
        return NULL;
    case WKV_ARG_INT:
    case WKV_ARG_LONG:
    case WKV_ARG_SEED:
        return set_whole(o, options, text) ? NULL : expected(o);
    case WKV_ARG_FLOAT:
    case WKV_ARG_DOUBLE:
        return set_real(o, options, text) ? NULL : expected(o);
    case WKV_ARG_CHOICE:
        if (!is_choice(o, text))
            return expected(o);
        *(const char **)place(o, options) = text;
        return NULL;
    case WKV_ARG_TEXT:
        *(const char **)place(o, options) = text;
        return NULL;
    case WKV_ARG_LIST:
        if (list->n == WKV_ARG_LIST_MAX)
            return "at most 16 of these";
        list->item[list->n++] = text;
        return NULL;
    }
    return NULL;
}

static void format_list(const wkv_arg_list *list, char *buf, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < list->n && at < size; i++) {
        int n = snprintf(buf + at, size - at, "%s%s", i > 0 ? " " : "", list->item[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

void wkv_args_format(const wkv_arg_option *o, const void *options, char *buf, size_t size)
{
    const void *p = (const char *)options + o->offset;
    const char *text = NULL;
    buf[0] = '\0';
    switch (o->type) {
    case WKV_ARG_INT:
        snprintf(buf, size, "%ld", (long)*(const int32_t *)p);
        break;
    case WKV_ARG_LONG:
        snprintf(buf, size, "%lld", (long long)*(const int64_t *)p);
        break;
    case WKV_ARG_SEED:
        snprintf(buf, size, "%llu", (unsigned long long)*(const uint64_t *)p);
        break;
    case WKV_ARG_FLOAT: /* as written in decimal, not as rounded to binary */
        snprintf(buf, size, "%.6g", (double)*(const float *)p);
        break;
    case WKV_ARG_DOUBLE:
        snprintf(buf, size, "%.17g", *(const double *)p);
        for (int digits = 6; digits < 17; digits++) { /* the shortest that reads back equal */
            char shorter[40];
            snprintf(shorter, sizeof shorter, "%.*g", digits, *(const double *)p);
            if (strtod(shorter, NULL) == *(const double *)p) {
                snprintf(buf, size, "%s", shorter);
                break;
            }
        }
        break;
    case WKV_ARG_TEXT:
    case WKV_ARG_CHOICE:
        text = *(const char *const *)p;
        snprintf(buf, size, "%s", text != NULL ? text : "");
        break;
    case WKV_ARG_LIST:
        format_list(p, buf, size);
        break;
    case WKV_ARG_FLAG:
        break;
    }
}

/* ---- the nearest name ------------------------------------------------------------- */

enum { WORD_MAX = 32 };

/* Edits (insert, delete, replace) that turn a into b; both shorter than WORD_MAX. */
static int distance(const char *a, const char *b)
{
    int row[WORD_MAX];
    int n = (int)strlen(b);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int replace = diagonal + (a[i - 1] != b[j - 1]);
            int other = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = replace < other ? replace : other;
        }
    }
    return row[n];
}

int wkv_args_nearest(const char *word, const char *(*name)(const void *list, size_t i),
                     const void *list, size_t n)
{
    int best = -1, best_distance = (int)strlen(word) / 3 + 2;
    if (strlen(word) >= WORD_MAX)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *candidate = name(list, i);
        bool begins = strlen(word) >= 3 && strncmp(candidate, word, strlen(word)) == 0;
        int d = strlen(candidate) >= WORD_MAX ? WORD_MAX : begins ? 0 : distance(word, candidate);
        if (d < best_distance) {
            best = (int)i;
            best_distance = d;
        }
    }
    return best;
}

static const char *option_name(const void *list, size_t i)
{
    return ((const wkv_arg_option *)list)[i].name;
}

/* ---- parsing ---------------------------------------------------------------------- */

static bool try_help(const wkv_command *c)
{
    fprintf(stderr, "See 'wkv %s --help'.\n", c->name);
    return false;
}

bool wkv_args_wrong(const wkv_command *c, const char *text)
{
    fprintf(stderr, "wkv %s: %s\n", c->name, text);
    return try_help(c);
}

static bool unknown_option(const wkv_command *c, const char *arg, const char *name, size_t n)
{
    char word[WORD_MAX] = "";
    if (n < sizeof word) {
        memcpy(word, name, n);
        word[n] = '\0';
    }
    int near = n > 1 ? wkv_args_nearest(word, option_name, c->options, c->n_options) : -1;
    if (near >= 0)
        fprintf(stderr, "wkv %s: unknown option %s; did you mean --%s?\n", c->name, arg,
                c->options[near].name);
    else
        fprintf(stderr, "wkv %s: unknown option %s\n", c->name, arg);
    return try_help(c);
}

const wkv_arg_option *wkv_args_find(const wkv_command *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->n_options; i++)
        if (strncmp(c->options[i].name, name, n) == 0 && c->options[i].name[n] == '\0')
            return &c->options[i];
    return NULL;
}

static const wkv_arg_option *find_letter(const wkv_command *c, char letter)
{
    for (size_t i = 0; i < c->n_options; i++)
        if (c->options[i].letter == letter)
            return &c->options[i];
    return NULL;
}

/* One option at argv[*i]: --name, --name=VALUE, --name VALUE, -x, -xVALUE or -x VALUE. */
static bool parse_option(const wkv_command *c, int argc, char **argv, int *i, void *options,
                         wkv_args *out)
{
    const char *arg = argv[*i], *value = NULL;
    bool is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1);
    size_t n = is_long ? strcspn(name, "=") : 1;
    const wkv_arg_option *o = is_long ? wkv_args_find(c, name, n) : find_letter(c, name[0]);
    if (o == NULL)
        return unknown_option(c, arg, name, n);
    if (name[n] != '\0')
        value = name + n + is_long;
    if (o->type == WKV_ARG_FLAG && value != NULL) {
        fprintf(stderr, "wkv %s: --%s takes no value\n", c->name, o->name);
        return try_help(c);
    }
    if (o->type != WKV_ARG_FLAG && value == NULL) {
        if (*i + 1 == argc) {
            fprintf(stderr, "wkv %s: --%s needs a value, %s\n", c->name, o->name, o->value);
            return try_help(c);
        }
        value = argv[++*i];
    }
    const char *wrong = wkv_args_set(o, options, value);
    if (wrong != NULL) {
        fprintf(stderr, "wkv %s: --%s: expected %s, found '%s'\n", c->name, o->name, wrong, value);
        return try_help(c);
    }
    out->given[o - c->options] = true;
    return true;
}

/* Takes argv[i] as the next operand; false after a message. */
static bool take_operand(const wkv_command *c, char **argv, int i, wkv_args *out)
{
    size_t n = (size_t)out->n_all;
    bool repeated = c->n_operands > 0 && c->operands[c->n_operands - 1].repeated;
    if (n >= c->n_operands && !repeated) {
        fprintf(stderr, "wkv %s: unexpected argument '%s'\n", c->name, argv[i]);
        return try_help(c);
    }
    if (n < c->n_operands)
        out->operand[n] = argv[i];
    argv[out->n_all++] = argv[i];
    return true;
}

bool wkv_args_parse(const wkv_command *c, int argc, char **argv, void *options, wkv_args *out)
{
    bool only_operands = false;
    assert(c->n_options <= WKV_ARG_OPTIONS_MAX);
    *out = (wkv_args){.all = argv, .argv = argv, .argc = argc};
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (!only_operands && strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            out->help = true;
            return true;
        } else if (!only_operands && arg[0] == '-' && arg[1] != '\0') {
            if (!parse_option(c, argc, argv, &i, options, out))
                return false;
        } else if (!take_operand(c, argv, i, out)) {
            return false;
        }
    }
    size_t n = (size_t)out->n_all;
    if (n < c->n_operands && !c->operands[n].optional) {
        fprintf(stderr, "wkv %s: %s is missing\n", c->name, c->operands[n].name);
        return try_help(c);
    }
    return true;
}

bool wkv_args_given(const wkv_command *c, const wkv_args *a, const char *name)
{
    const wkv_arg_option *o = wkv_args_find(c, name, strlen(name));
    return o != NULL && a->given[o - c->options];
}
