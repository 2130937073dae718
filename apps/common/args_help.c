/* apps/common/args_help.c - a command's table as help text and as a manual page. */
#include "common/args.h"

#include <stdlib.h>
#include <string.h>

enum { MARGIN = 2, COLUMN = 26, WIDTH = 80 };

/* Writes text wrapped to WIDTH, the cursor being at column `at`, lines indented by
 * `indent`.  A line feed in the text begins a new line. */
static void wrap(FILE *out, const char *text, int at, int indent)
{
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (at > indent && at + 1 + (int)word > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += (int)word;
        text += word;
        if (*text == '\n') {
            fprintf(out, "\n%*s", text[1] == '\n' ? 0 : indent, "");
            at = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

/* The defaults, as the command itself sets them.  NULL when out of memory. */
static void *defaults(const wkv_command *c)
{
    void *options = calloc(1, c->options_size > 0 ? c->options_size : 1);
    if (options != NULL && c->init != NULL)
        c->init(options);
    return options;
}

/* "; one of a, b, c" for a choice whose list is too long to stand as its value. */
static void list_choices(const wkv_arg_option *o, char *buf, size_t size)
{
    buf[0] = '\0';
    if (o->type != WKV_ARG_CHOICE || o->value == NULL)
        return;
    size_t at = (size_t)snprintf(buf, size, "; one of ");
    for (const char *p = wkv_arg_choices(o); *p != '\0' && at + 3 < size; p++)
        at += (size_t)snprintf(buf + at, size - at, "%c%s", *p == '|' ? ',' : *p,
                               *p == '|' ? " " : "");
}

/* "help text [default]" */
static void describe(const wkv_arg_option *o, const void *options, char *buf, size_t size)
{
    char preset[256], choices[256];
    wkv_args_format(o, options, preset, sizeof preset);
    list_choices(o, choices, sizeof choices);
    if (preset[0] != '\0')
        snprintf(buf, size, "%s%s [%s]", o->help, choices, preset);
    else
        snprintf(buf, size, "%s%s", o->help, choices);
}

static void synopsis(FILE *out, const wkv_command *c)
{
    fprintf(out, "wkv %s [OPTION]...", c->name);
    for (size_t i = 0; i < c->n_operands; i++) {
        const wkv_arg_operand *o = &c->operands[i];
        fprintf(out, o->optional ? " [%s]%s" : " %s%s", o->name, o->repeated ? "..." : "");
    }
}

static const char *value_of(const wkv_arg_option *o)
{
    return o->value != NULL ? o->value : wkv_arg_choices(o);
}

static void help_option(FILE *out, const wkv_arg_option *o, const void *options)
{
    char text[1024];
    int at = o->letter != 0 ? fprintf(out, "%*s-%c, ", MARGIN, "", o->letter)
                            : fprintf(out, "%*s", MARGIN + 4, "");
    at += fprintf(out, "--%s", o->name);
    if (o->type != WKV_ARG_FLAG)
        at += fprintf(out, " %s", value_of(o));
    if (at >= COLUMN - 1) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", COLUMN - at, "");
    describe(o, options, text, sizeof text);
    wrap(out, text, COLUMN, COLUMN);
}

void wkv_args_help(FILE *out, const wkv_command *c)
{
    void *options = defaults(c);
    if (options == NULL)
        return;
    fprintf(out, "Usage: ");
    synopsis(out, c);
    fprintf(out, "\n\n");
    wrap(out, c->description, 0, 0);
    fputc('\n', out);
    for (size_t i = 0; i < c->n_operands; i++) {
        int at = fprintf(out, "%*s%s", MARGIN, "", c->operands[i].name);
        fprintf(out, "%*s", COLUMN - at, "");
        wrap(out, c->operands[i].help, COLUMN, COLUMN);
    }
    fprintf(out, "%sOptions:\n", c->n_operands > 0 ? "\n" : "");
    for (size_t i = 0; i < c->n_options; i++)
        help_option(out, &c->options[i], options);
    fprintf(out, "%*s%-*s%s\n", MARGIN + 4, "", COLUMN - MARGIN - 4, "--help", "show this text");
    fprintf(out, "\nExamples:\n");
    for (const char *const *e = c->examples; *e != NULL; e += 2) {
        fprintf(out, "%*s%s\n%*s", MARGIN, "", e[0], MARGIN + 4, "");
        wrap(out, e[1], MARGIN + 4, MARGIN + 4);
    }
    free(options);
}

/* ---- the manual page ---------------------------------------------------------------- */

/* Text with what troff would take for itself escaped, and paragraphs where the text has
 * blank lines. */
static void man_text(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", out);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
}

static void man_option(FILE *out, const wkv_arg_option *o, const void *options)
{
    char text[1024];
    fputs(".TP\n\\fB", out);
    if (o->letter != 0)
        fprintf(out, "\\-%c\\fR, \\fB", o->letter);
    fputs("\\-\\-", out);
    man_text(out, o->name);
    fputs("\\fR", out);
    if (o->type != WKV_ARG_FLAG)
        fprintf(out, " \\fI%s\\fR", value_of(o));
    fputc('\n', out);
    describe(o, options, text, sizeof text);
    man_text(out, text);
    fputc('\n', out);
}

static void man_command(FILE *out, const wkv_command *c)
{
    void *options = defaults(c);
    if (options == NULL)
        return;
    fputs(".SS ", out);
    synopsis(out, c);
    fputc('\n', out);
    man_text(out, c->description);
    fputc('\n', out);
    for (size_t i = 0; i < c->n_options; i++)
        man_option(out, &c->options[i], options);
    free(options);
}

static void man_examples(FILE *out, const wkv_command *c)
{
    for (const char *const *e = c->examples; *e != NULL; e += 2) {
        fputs(".PP\n", out);
        man_text(out, e[1]);
        fputs("\n.PP\n.RS 4\n.nf\n", out);
        man_text(out, e[0]);
        fputs("\n.fi\n.RE\n", out);
    }
}

void wkv_args_man(FILE *out, const wkv_command *const *commands, size_t n)
{
    for (size_t i = 0; i < n; i++)
        man_command(out, commands[i]);
    fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; i < n; i++)
        man_examples(out, commands[i]);
}
