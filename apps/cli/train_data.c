/* apps/cli/train_data.c - see train_data.h. */
#include "cli/train_data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/term.h"

static bool has(const char *prefix, const char *suffix)
{
    char path[WKV_PATH_MAX + 8];
    snprintf(path, sizeof path, "%s%s", prefix, suffix);
    return access(path, F_OK) == 0;
}

bool wkv_train_data_binidx(const char *prefix)
{
    return has(prefix, ".bin") && has(prefix, ".idx");
}

/* Where ":W" begins; the end of the text when it has none, or is the name of a file. */
static const char *weight_of(const char *spec, double *weight)
{
    const char *colon = strrchr(spec, ':'), *end = spec + strlen(spec);
    char *stop;
    *weight = 0;
    if (colon == NULL || colon[1] == '\0' || access(spec, F_OK) == 0 || wkv_train_data_binidx(spec))
        return end;
    double w = strtod(colon + 1, &stop);
    if (*stop != '\0' || stop == colon + 1)
        return end;
    *weight = w;
    return colon;
}

/* Parts "PATH:W" into path and weight; returns ":W", or "" when there is none. */
static const char *part(char path[WKV_PATH_MAX], const char *spec, double *weight)
{
    const char *end = weight_of(spec, weight);
    snprintf(path, WKV_PATH_MAX, "%.*s", (int)(end - spec), spec);
    return end;
}

void wkv_train_data_absolute(wkv_train_data *d, wkv_arg_list *list)
{
    for (int i = 0; i < list->n; i++) {
        char given[WKV_PATH_MAX], absolute[WKV_PATH_MAX];
        double weight;
        const char *rest = part(given, list->item[i], &weight);
        snprintf(d->spec[i], sizeof d->spec[i], "%s%.24s", wkv_files_absolute(absolute, given),
                 rest);
        list->item[i] = d->spec[i];
    }
}

bool wkv_train_data_fill(wkv_train_data *d, const wkv_arg_list *list, wkv_train_opts *o)
{
    d->n = list->n;
    for (int i = 0; i < list->n; i++) {
        double *weight = &d->source[i].weight;
        const char *rest = part(d->path[i], list->item[i], weight);
        d->source[i].path = d->path[i];
        if (*rest != '\0' && !(*weight > 0)) {
            wkv_term_error("train", "--data: expected a weight above 0 behind the ':', found '%s'",
                           list->item[i]);
            return false;
        }
    }
    o->data = NULL;
    o->sources = d->source;
    o->n_sources = d->n;
    return true;
}

void wkv_train_data_remark(const wkv_train_data *d)
{
    static const char *const lines[] = {".jsonl", ".ndjson"};
    for (int i = 0; i < d->n; i++) {
        const char *dot = strrchr(d->path[i], '.');
        for (size_t k = 0; dot != NULL && k < WKV_COUNT(lines); k++)
            if (strcmp(dot, lines[k]) == 0)
                wkv_term_error("train",
                               "%s is read as one text, its JSON included; 'wkv prepare' makes "
                               "documents of its lines",
                               d->path[i]);
    }
}
