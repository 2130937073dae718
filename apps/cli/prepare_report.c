/* apps/cli/prepare_report.c - see prepare_report.h. */
#include "cli/prepare_report.h"

#include <stdlib.h>

#include "common/json_out.h"
#include "common/term.h"

enum { BAR = 40 };

/* ---- samples ------------------------------------------------------------------------------ */

/* The bytes of tokens [from, to) of a sample; the caller frees them. */
static char *decode(const wkv_tokenizer *t, const wkv_prepare_sample *s, int from, int to,
                    size_t *n)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, n);
    for (int i = from; f != NULL && i < to; i++) {
        size_t len;
        const char *bytes = wkv_tokenizer_token(t, s->id[i], &len);
        if (bytes != NULL && s->id[i] != 0)
            fwrite(bytes, 1, len, f);
    }
    if (f != NULL)
        fclose(f);
    return text;
}

/* Control characters as in C, so that a sample stays on its line. */
static void print_escaped(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            fputs("\\n", stdout);
        else if (c < 0x20 || c == 0x7f)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

/* What is learnt stands in brackets, where not all is. */
static void print_sample(const wkv_tokenizer *t, const wkv_prepare_sample *s, bool masked)
{
    printf("sample %-8llu ", (unsigned long long)s->document);
    for (int from = 0, to; from < s->n; from = to) {
        size_t n = 0;
        for (to = from + 1; to < s->n && s->learnt[to] == s->learnt[from];)
            to++;
        char *text = decode(t, s, from, to, &n);
        fputs(masked && s->learnt[from] ? "[" : "", stdout);
        print_escaped(text != NULL ? text : "", n);
        fputs(masked && s->learnt[from] ? "]" : "", stdout);
        free(text);
    }
    puts(s->n == WKV_PREPARE_SAMPLE_TOKENS ? "..." : "");
}

/* ---- people ---------------------------------------------------------------------------------- */

static void print_lengths(const wkv_prepare_report *r)
{
    uint64_t most = 1;
    int first = WKV_PREPARE_LENGTHS, last = -1;
    for (int i = 0; i < WKV_PREPARE_LENGTHS; i++)
        if (r->lengths[i] > 0) {
            first = i < first ? i : first;
            last = i;
            most = r->lengths[i] > most ? r->lengths[i] : most;
        }
    for (int i = first; i <= last; i++) {
        char from[32], to[32], count[32];
        int bar = (int)((double)r->lengths[i] / (double)most * BAR + 0.5);
        snprintf(from, sizeof from, "%llu", 1ULL << i);
        snprintf(to, sizeof to, "%llu", (1ULL << (i + 1)) - 1);
        snprintf(count, sizeof count, "%llu", (unsigned long long)r->lengths[i]);
        printf("%s%12s - %-12s %12s ", i == first ? "tokens  " : "        ", from, to, count);
        for (int j = 0; j < bar || (j == 0 && r->lengths[i] > 0); j++)
            putchar('#');
        putchar('\n');
    }
}

static void print_people(const wkv_prepare_report *r, const char *prefix, const wkv_tokenizer *t,
                         double seconds)
{
    char rate[32];
    double mean = r->documents > 0 ? (double)r->tokens / (double)r->documents : 0;
    printf("wrote         %s.bin (%s), %s.idx%s\n", prefix, r->id_bytes == 2 ? "u16" : "i32",
           prefix, r->masked ? ", and a mask" : "");
    printf("documents     %llu", (unsigned long long)r->documents);
    printf(r->bad > 0 ? ", and %llu bad lines left out\n" : "\n", (unsigned long long)r->bad);
    printf("tokens        %llu", (unsigned long long)r->tokens);
    if (r->learnt < r->tokens)
        printf(", of which %llu (%.1f%%) are to be learnt", (unsigned long long)r->learnt,
               100.0 * (double)r->learnt / (double)r->tokens);
    printf("\nbytes         %llu, %.2f a token, %sB/s\n", (unsigned long long)r->bytes,
           (double)r->bytes / (double)r->tokens,
           wkv_cli_short(seconds > 0 ? (double)r->bytes / seconds : 0, rate));
    printf("length        %llu to %llu tokens, %.1f on average\n", (unsigned long long)r->shortest,
           (unsigned long long)r->longest, mean);
    print_lengths(r);
    for (int i = 0; i < r->samples; i++)
        print_sample(t, &r->sample[i], r->masked);
}

/* ---- programs -------------------------------------------------------------------------------- */

static void print_json(const wkv_prepare_report *r, const char *prefix, const wkv_tokenizer *t)
{
    wkv_json j;
    wkv_json_init(&j, stdout);
    wkv_json_open(&j, NULL, '{');
    wkv_json_string(&j, "prefix", prefix);
    wkv_json_uint(&j, "inputs", r->inputs);
    wkv_json_uint(&j, "bytes", r->bytes);
    wkv_json_uint(&j, "documents", r->documents);
    wkv_json_uint(&j, "bad_lines", r->bad);
    wkv_json_uint(&j, "tokens", r->tokens);
    wkv_json_uint(&j, "learnt", r->learnt);
    wkv_json_bool(&j, "mask", r->masked);
    wkv_json_int(&j, "id_bytes", r->id_bytes);
    wkv_json_uint(&j, "shortest", r->shortest);
    wkv_json_uint(&j, "longest", r->longest);
    wkv_json_open(&j, "lengths", '[');
    for (int i = 0; i < WKV_PREPARE_LENGTHS && 1ULL << i <= r->longest; i++)
        wkv_json_uint(&j, NULL, r->lengths[i]);
    wkv_json_close(&j, ']');
    wkv_json_open(&j, "samples", '[');
    for (int i = 0; i < r->samples; i++) {
        size_t n = 0;
        char *text = decode(t, &r->sample[i], 0, r->sample[i].n, &n);
        wkv_json_open(&j, NULL, '{');
        wkv_json_uint(&j, "document", r->sample[i].document);
        wkv_json_text(&j, "text", text, n);
        wkv_json_close(&j, '}');
        free(text);
    }
    wkv_json_close(&j, ']');
    wkv_json_close(&j, '}');
}

bool wkv_prepare_print(const wkv_prepare_report *r, const char *prefix, const char *vocab,
                       double seconds, bool json)
{
    wkv_tokenizer *t;
    wkv_error err;
    if (wkv_tokenizer_open(&t, vocab, &err) != WKV_OK) {
        wkv_term_error("prepare", "%s", err.text);
        return false;
    }
    if (json)
        print_json(r, prefix, t);
    else
        print_people(r, prefix, t, seconds);
    wkv_tokenizer_close(&t);
    return true;
}
