/* apps/common/json_out.c - see json_out.h. */
#include "common/json_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void wkv_json_init(wkv_json *j, FILE *out)
{
    *j = (wkv_json){.out = out};
}

static void write_string(FILE *out, const char *s, size_t n);

/* The comma and the key before a value. */
static void lead(wkv_json *j, const char *key)
{
    if (j->more[j->depth])
        fputs(j->depth == 0 ? "\n" : ", ", j->out);
    j->more[j->depth] = true;
    if (key != NULL) {
        write_string(j->out, key, strlen(key));
        fputs(": ", j->out);
    }
}

void wkv_json_open(wkv_json *j, const char *key, char bracket)
{
    lead(j, key);
    fputc(bracket, j->out);
    if (j->depth < WKV_JSON_DEPTH)
        j->depth++;
    j->more[j->depth] = false;
}

void wkv_json_close(wkv_json *j, char bracket)
{
    fputc(bracket, j->out);
    j->depth--;
    if (j->depth == 0)
        fputc('\n', j->out);
}

void wkv_json_int(wkv_json *j, const char *key, int64_t v)
{
    lead(j, key);
    fprintf(j->out, "%lld", (long long)v);
}

void wkv_json_uint(wkv_json *j, const char *key, uint64_t v)
{
    lead(j, key);
    fprintf(j->out, "%llu", (unsigned long long)v);
}

void wkv_json_number(wkv_json *j, const char *key, double v, int digits)
{
    char text[40] = "null";
    lead(j, key);
    for (int d = digits > 0 ? digits : 6; isfinite(v) && d <= 17; d++) {
        snprintf(text, sizeof text, "%.*g", d, v);
        if (digits > 0 || strtod(text, NULL) == v)
            break;
    }
    fputs(text, j->out);
}

void wkv_json_bool(wkv_json *j, const char *key, bool v)
{
    lead(j, key);
    fputs(v ? "true" : "false", j->out);
}

size_t wkv_json_character(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ||
               (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : len;
}

static void write_string(FILE *out, const char *s, size_t n)
{
    static const char plain[] = "\"\\\n\r\t", names[] = "\"\\nrt";
    fputc('"', out);
    for (size_t i = 0; i < n;) {
        const unsigned char *p = (const unsigned char *)s + i;
        size_t len = wkv_json_character(p, n - i);
        const char *escape = *p != '\0' ? strchr(plain, *p) : NULL;
        if (len == 0)
            fputs("\\ufffd", out);
        else if (escape != NULL)
            fprintf(out, "\\%c", names[escape - plain]);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, len, out);
        i += len > 0 ? len : 1;
    }
    fputc('"', out);
}

void wkv_json_text(wkv_json *j, const char *key, const char *s, size_t n)
{
    lead(j, key);
    if (s == NULL)
        fputs("null", j->out);
    else
        write_string(j->out, s, n);
}

void wkv_json_string(wkv_json *j, const char *key, const char *s)
{
    wkv_json_text(j, key, s, s != NULL ? strlen(s) : 0);
}
