/* apps/cli/convert_check.c - see the header.  Results go to standard output, tensor by
 * tensor as they come. */
#include "cli/convert_check.h"

#include <string.h>

#include "cli/cli.h"
#include "common/json_out.h"
#include "common/term.h"

enum { AGREEMENTS = WKV_ONLY_SECOND + 1 };

typedef struct check {
    const char *a, *b;
    size_t count[AGREEMENTS];
    double worst; /* the largest max_rel of a tensor that both have */
    char worst_name[128];
    wkv_json *json; /* or NULL */
} check;

static const char *const words[AGREEMENTS] = {
    [WKV_SAME_BITS] = "same bits",
    [WKV_SAME_VALUES] = "same values",
    [WKV_CLOSE] = "close",
    [WKV_FAR] = "differs",
    [WKV_OTHER_SHAPE] = "other shape",
    [WKV_ONLY_FIRST] = "only first",
    [WKV_ONLY_SECOND] = "only second",
};

static bool is_failure(wkv_agreement a)
{
    return a >= WKV_FAR;
}

static void print_shape(const wkv_file_tensor *t)
{
    printf("%s ", t->dtype);
    for (int32_t d = 0; d < t->ndim; d++)
        printf(d > 0 ? "x%lld" : "%lld", (long long)t->dim[d]);
    if (t->ndim == 0)
        printf("scalar");
}

static void print_line(const check *k, const wkv_comparison *c)
{
    const wkv_file_tensor *t = c->a != NULL ? c->a : c->b;
    wkv_term_line(stdout, t->name, strlen(t->name));
    printf(": ");
    switch (c->agreement) {
    case WKV_ONLY_FIRST:
    case WKV_ONLY_SECOND:
        printf("missing in %s", c->agreement == WKV_ONLY_FIRST ? k->b : k->a);
        break;
    case WKV_OTHER_SHAPE:
        print_shape(c->a);
        printf(" against ");
        print_shape(c->b);
        break;
    default:
        printf("%s against %s, differs by %.3g, %.3g of the largest", c->a->dtype, c->b->dtype,
               c->max_abs, c->max_rel);
        break;
    }
    putchar('\n');
}

static void json_line(wkv_json *j, const wkv_comparison *c)
{
    wkv_json_open(j, NULL, '{');
    wkv_json_string(j, "name", (c->a != NULL ? c->a : c->b)->name);
    wkv_json_string(j, "result", words[c->agreement]);
    if (c->a != NULL && c->b != NULL) {
        wkv_json_number(j, "max_abs", c->max_abs, 6);
        wkv_json_number(j, "max_rel", c->max_rel, 6);
    }
    wkv_json_close(j, '}');
}

static void note(void *user, const wkv_comparison *c)
{
    check *k = user;
    k->count[c->agreement]++;
    if (c->a != NULL && c->b != NULL && c->max_rel > k->worst) {
        k->worst = c->max_rel;
        snprintf(k->worst_name, sizeof k->worst_name, "%s", c->a->name);
    }
    if (k->json != NULL)
        json_line(k->json, c);
    else if (is_failure(c->agreement))
        print_line(k, c);
}

static void print_summary(const check *k)
{
    const char *between = "";
    for (int i = 0; i < AGREEMENTS; i++) {
        if (k->count[i] == 0)
            continue;
        printf("%s%zu %s", between, k->count[i], words[i]);
        between = ", ";
    }
    if (k->worst > 0) {
        printf("; most apart, %.3g of its largest: ", k->worst);
        wkv_term_line(stdout, k->worst_name, strlen(k->worst_name));
    }
    puts(between[0] == '\0' ? "no tensors" : "");
}

int wkv_convert_check(const char *a, const char *b, double tolerance, bool json)
{
    check k = {.a = a, .b = b};
    wkv_json j;
    wkv_error err;
    if (json) {
        wkv_json_init(&j, stdout);
        wkv_json_open(&j, NULL, '{');
        wkv_json_open(&j, "tensors", '[');
        k.json = &j;
    }
    const wkv_status s = wkv_compare(a, b, tolerance, note, &k, &err);
    bool differ = false;
    for (int i = 0; i < AGREEMENTS; i++)
        differ = differ || (is_failure((wkv_agreement)i) && k.count[i] > 0);
    if (json) {
        wkv_json_close(&j, ']');
        wkv_json_bool(&j, "same", s == WKV_OK && !differ);
        wkv_json_close(&j, '}');
    } else if (s == WKV_OK) {
        print_summary(&k);
    }
    if (s != WKV_OK)
        return wkv_term_error("convert", "%s", err.text);
    return differ ? WKV_EXIT_FAILURE : WKV_EXIT_OK;
}
