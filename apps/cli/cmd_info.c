/* apps/cli/cmd_info.c - `wkv info`: what is in a model file. */
#include <string.h>

#include "cli/cli.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    bool tensors, json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_FLAG(
         "tensors", tensors,
         "list every tensor: name, type, shape, least and largest value, and how many are NaN "
         "or infinite"),
     .letter = 't'},
    WKV_CLI_JSON_OPTION,
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a file of any known format, or a Hugging Face folder"}};

static const char *const examples[] = {"wkv info model.pth", "architecture and sizes",
                                       "wkv info model.pth --tensors", "and all tensors", NULL};

enum { VALUE_MAX = 60, FINDINGS = 8 };

/* "256x32", "scalar" */
static void format_shape(const wkv_file_tensor *t, char *buf, size_t size)
{
    size_t at = 0;
    snprintf(buf, size, "scalar");
    for (int32_t d = 0; d < t->ndim && at < size; d++) {
        int n = snprintf(buf + at, size - at, d > 0 ? "x%lld" : "%lld", (long long)t->dim[d]);
        at += n > 0 ? (size_t)n : 0;
    }
}

/* ---- for people -------------------------------------------------------------------- */

/* n bytes of a name from the file, and spaces up to the width. */
static void print_name(const char *name, size_t n, int width)
{
    wkv_term_line(stdout, name, n);
    printf("%*s", (int)n < width ? width - (int)n : 0, "");
}

static void print_count(const char *what, uint64_t v, const char *unit)
{
    char text[32];
    printf("%-13s %llu%s", what, (unsigned long long)v, unit);
    if (v >= 10000)
        printf(" (%s)", wkv_cli_short((double)v, text));
    putchar('\n');
}

static void print_model(const wkv_model_info *m)
{
    printf("architecture  %s\n", m->arch);
    printf("layers        %d\nwidth         %d\n", (int)m->layers, (int)m->width);
    if (m->heads > 0)
        printf("heads         %d of %d\n", (int)m->heads, (int)m->head_size);
    if (m->window > 0)
        printf("window        %d tokens\n", (int)m->window);
    if (m->token_shift)
        printf("token shift   in time mixing\n");
    if (m->max_length > 0)
        printf("longest text  %d tokens\n", (int)m->max_length);
    printf("ffn width     %d\nvocabulary    %d\n", (int)m->ffn_width, (int)m->vocab);
    printf("tokenizer     %s\n", m->tokenizer != NULL ? m->tokenizer : "none inside");
    printf("matrices      %s\n", m->dtype);
    print_count("parameters", m->parameters, "");
    print_count("weights", m->weight_bytes, " bytes");
    print_count("state", m->state_bytes, " bytes");
}

static void print_range(const wkv_file *f, size_t i)
{
    wkv_file_range r;
    if (wkv_file_tensor_range(f, i, &r, NULL) != WKV_OK)
        return;
    printf("  %.5g to %.5g", r.min, r.max);
    if (r.nans > 0)
        printf(", %llu NaN", (unsigned long long)r.nans);
    if (r.infinities > 0)
        printf(", %llu infinite", (unsigned long long)r.infinities);
}

static void print_tensors(const wkv_file *f)
{
    int width = 0;
    wkv_file_tensor t;
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor_at(f, i, &t);
        int n = (int)strlen(t.name);
        width = n > width && n < VALUE_MAX ? n : width;
    }
    putchar('\n');
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        char shape[256];
        wkv_file_tensor_at(f, i, &t);
        format_shape(&t, shape, sizeof shape);
        print_name(t.name, strlen(t.name), width);
        printf("  %-5s %-12s", t.dtype, shape);
        print_range(f, i);
        putchar('\n');
    }
}

/* A vocabulary may be among the values: only the beginning of each is shown. */
static void print_metadata(const wkv_file *f)
{
    for (size_t i = 0; i < wkv_file_meta_count(f); i++) {
        const char *key, *value;
        wkv_file_meta_at(f, i, &key, &value);
        size_t n = strcspn(value, "\r\n");
        n = n < VALUE_MAX ? n : VALUE_MAX;
        while (n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80) /* inside a character */
            n--;
        print_name(key, strlen(key), 13);
        putchar(' ');
        print_name(value, n, 0);
        puts(value[n] != '\0' ? "..." : "");
    }
}

/* Findings of one sort; a damaged file can have any number of them. */
typedef struct findings {
    wkv_finding which;
    const char *title;
    size_t most, count;
    wkv_json *json; /* or NULL */
} findings;

static void note(void *user, wkv_finding what, const char *tensor)
{
    findings *list = user;
    if (what != list->which)
        return;
    list->count++;
    if (list->json != NULL) {
        wkv_json_string(list->json, NULL, tensor);
    } else if (list->count <= list->most) {
        printf("%-13s ", list->title);
        print_name(tensor, strlen(tensor), 0);
        putchar('\n');
    }
}

static const char *const finding_names[] = {
    [WKV_FINDING_MISSING] = "missing",
    [WKV_FINDING_UNUSED] = "unused",
    [WKV_FINDING_UNKNOWN] = "unknown",
};

static void print_findings(const wkv_file *f, bool all, wkv_json *json)
{
    for (size_t i = 0; i < WKV_COUNT(finding_names); i++) {
        const char *arch;
        findings list = {(wkv_finding)i, finding_names[i], all ? SIZE_MAX : FINDINGS, 0, json};
        if (json != NULL)
            wkv_json_open(json, finding_names[i], '[');
        wkv_file_audit(f, &arch, note, &list, NULL);
        if (json != NULL)
            wkv_json_close(json, ']');
        else if (list.count > list.most)
            printf("%-13s and %zu more; --tensors lists all\n", "", list.count - list.most);
    }
}

/* ---- for programs --------------------------------------------------------------------- */

static void json_model(wkv_json *j, const wkv_model_info *m)
{
    wkv_json_string(j, "architecture", m->arch);
    wkv_json_int(j, "layers", m->layers);
    wkv_json_int(j, "width", m->width);
    wkv_json_int(j, "heads", m->heads);
    wkv_json_int(j, "head_size", m->head_size);
    wkv_json_int(j, "window", m->window);
    wkv_json_bool(j, "token_shift", m->token_shift != 0);
    wkv_json_int(j, "max_length", m->max_length);
    wkv_json_int(j, "ffn_width", m->ffn_width);
    wkv_json_int(j, "vocab", m->vocab);
    wkv_json_string(j, "tokenizer", m->tokenizer);
    wkv_json_string(j, "dtype", m->dtype);
    wkv_json_uint(j, "parameters", m->parameters);
    wkv_json_uint(j, "weight_bytes", m->weight_bytes);
    wkv_json_uint(j, "state_bytes", m->state_bytes);
}

static void json_range(wkv_json *j, const wkv_file *f, size_t i)
{
    wkv_file_range r;
    if (wkv_file_tensor_range(f, i, &r, NULL) != WKV_OK)
        return;
    wkv_json_number(j, "min", r.min, 0);
    wkv_json_number(j, "max", r.max, 0);
    wkv_json_uint(j, "nan", r.nans);
    wkv_json_uint(j, "infinite", r.infinities);
}

static void json_tensors(wkv_json *j, const wkv_file *f)
{
    wkv_json_open(j, "tensors", '[');
    for (size_t i = 0; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor t;
        wkv_file_tensor_at(f, i, &t);
        wkv_json_open(j, NULL, '{');
        wkv_json_string(j, "name", t.name);
        wkv_json_string(j, "dtype", t.dtype);
        wkv_json_open(j, "shape", '[');
        for (int32_t d = 0; d < t.ndim; d++)
            wkv_json_int(j, NULL, t.dim[d]);
        wkv_json_close(j, ']');
        json_range(j, f, i);
        wkv_json_close(j, '}');
    }
    wkv_json_close(j, ']');
}

/* ---- the command -------------------------------------------------------------------------- */

static bool kind_is(const wkv_file *f, const char *kind)
{
    return strcmp(wkv_file_kind(f), kind) == 0;
}

/* What is, or tries to be, a model. */
static bool is_model(const wkv_file *f)
{
    return kind_is(f, "model") || kind_is(f, "tensors");
}

static void print_json(const char *path, const wkv_file *f, const wkv_model_info *m,
                       const options *o)
{
    wkv_json j;
    wkv_json_init(&j, stdout);
    wkv_json_open(&j, NULL, '{');
    wkv_json_string(&j, "file", path);
    wkv_json_string(&j, "format", wkv_file_format(f));
    wkv_json_string(&j, "kind", wkv_file_kind(f));
    wkv_json_string(&j, "about", wkv_file_about(f));
    wkv_json_string(&j, "names", wkv_file_names(f));
    wkv_json_uint(&j, "tensor_count", wkv_file_tensor_count(f));
    if (m != NULL)
        json_model(&j, m);
    if (is_model(f))
        print_findings(f, true, &j);
    if (o->tensors)
        json_tensors(&j, f);
    wkv_json_close(&j, '}');
}

static void print_text(const char *path, const wkv_file *f, const wkv_model_info *m,
                       const options *o)
{
    printf("file          %s\nformat        %s\ntensors       %zu\n", path, wkv_file_format(f),
           wkv_file_tensor_count(f));
    if (wkv_file_names(f) != NULL)
        printf("names of      %s\n", wkv_file_names(f));
    if (m == NULL)
        printf("kind          %s: %s\n", wkv_file_kind(f), wkv_file_about(f));
    else
        print_model(m);
    if (is_model(f))
        print_findings(f, o->tensors, NULL);
    print_metadata(f);
    if (o->tensors)
        print_tensors(f);
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    const char *path = args->operand[0];
    wkv_file *f;
    wkv_model *model;
    wkv_model_info info;
    wkv_error err;
    if (wkv_file_open(&f, path, &err) != WKV_OK)
        return wkv_term_error("info", "%s", err.text);
    wkv_status s = wkv_model_open(&model, path, NULL, &err);
    if (s == WKV_OK)
        wkv_model_describe(model, &info);
    (o->json ? print_json : print_text)(path, f, s == WKV_OK ? &info : NULL, o);
    const bool model_wanted = is_model(f) || kind_is(f, "checkpoint");
    if (s == WKV_OK)
        wkv_model_close(&model);
    wkv_file_close(&f);
    /* What is known to be something else has been explained. */
    return s == WKV_OK || !model_wanted
               ? WKV_EXIT_OK
               : wkv_term_error("info", "not a model that can be run: %s", err.text);
}

const wkv_command wkv_cmd_info = {
    .name = "info",
    .summary = "say what is in a model file",
    .description =
        "Prints a model's architecture, sizes, types and tokenizer, and which tensors its "
        "architecture lacks or does not know. An adapter (LoRA, PiSSA, Bone) or an initial "
        "state is explained. For tensors that are none of these, prints what the file "
        "holds and why it cannot be run, and fails.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .run = run,
};
