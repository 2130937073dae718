/* apps/common/args.h - the command line of a program that has commands.
 *
 * Each command is a table: its operands, its options, its examples.  Parsing, range
 * checks, --help and the manual page are all made from that table, and the defaults
 * that help shows are read from the options as the command initialises them; so none
 * of these can differ from what the command does. */
#ifndef WKV_APPS_ARGS_H
#define WKV_APPS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WKV_COUNT(array) (sizeof(array) / sizeof *(array))

enum { WKV_EXIT_OK = 0, WKV_EXIT_FAILURE = 1, WKV_EXIT_USAGE = 2, WKV_EXIT_INTERRUPT = 130 };

typedef enum wkv_arg_type {
    WKV_ARG_FLAG,   /* bool; takes no value */
    WKV_ARG_INT,    /* int32_t */
    WKV_ARG_LONG,   /* int64_t */
    WKV_ARG_SEED,   /* uint64_t, all of its range */
    WKV_ARG_FLOAT,  /* float */
    WKV_ARG_DOUBLE, /* double */
    WKV_ARG_TEXT,   /* const char *, NULL when not given */
    WKV_ARG_LIST,   /* wkv_arg_list; each use adds a text */
    WKV_ARG_CHOICE  /* const char *, one of `choices` */
} wkv_arg_type;

enum { WKV_ARG_LIST_MAX = 16 };

typedef struct wkv_arg_list {
    const char *item[WKV_ARG_LIST_MAX];
    int n;
} wkv_arg_list;

/* One option.  Numbers lie in [min, max], without min when `above`, without max when `below`. */
typedef struct wkv_arg_option {
    const char *name; /* without the dashes */
    wkv_arg_type type;
    size_t offset; /* of the value, in the command's options */
    const char *value; /* help's name for the value: "N"; of a choice, where its list is long */
    const char *help;
    char letter; /* short form, or 0 */
    bool above, below;
    double min, max;
    const char *choices;             /* "random|sequential" */
    const char *(*choices_of)(void); /* where the library knows them, instead of choices */
} wkv_arg_option;

/* Rows of a command's table, whose values lie in a struct named `options`:
 *   {WKV_OPT_TEXT("out", out, "FILE", "where to write"), .letter = 'o'} */
#define WKV_OPT(option, kind, field, text) \
    .name = option, .type = kind, .offset = offsetof(options, field), .help = text
#define WKV_OPT_FLAG(option, field, text) WKV_OPT(option, WKV_ARG_FLAG, field, text)
#define WKV_OPT_TEXT(option, field, v, text) WKV_OPT(option, WKV_ARG_TEXT, field, text), .value = v
#define WKV_OPT_LIST(option, field, v, text) WKV_OPT(option, WKV_ARG_LIST, field, text), .value = v
#define WKV_OPT_SEED(option, field, text) WKV_OPT(option, WKV_ARG_SEED, field, text), .value = "N"
#define WKV_OPT_CHOICE(option, field, list, text) \
    WKV_OPT(option, WKV_ARG_CHOICE, field, text), .choices = list
#define WKV_OPT_CHOICE_OF(option, field, list, text) \
    WKV_OPT(option, WKV_ARG_CHOICE, field, text), .choices_of = list
#define WKV_OPT_NUMBER(option, kind, field, v, low, high, text) \
    WKV_OPT(option, kind, field, text), .value = v, .min = low, .max = high
#define WKV_OPT_INT(option, field, v, low, high, text) \
    WKV_OPT_NUMBER(option, WKV_ARG_INT, field, v, low, high, text)
#define WKV_OPT_LONG(option, field, v, low, high, text) \
    WKV_OPT_NUMBER(option, WKV_ARG_LONG, field, v, low, high, text)
#define WKV_OPT_FLOAT(option, field, v, low, high, text) \
    WKV_OPT_NUMBER(option, WKV_ARG_FLOAT, field, v, low, high, text)
#define WKV_OPT_DOUBLE(option, field, v, low, high, text) \
    WKV_OPT_NUMBER(option, WKV_ARG_DOUBLE, field, v, low, high, text)

/* What a WKV_ARG_CHOICE may be, "a|b|c". */
static inline const char *wkv_arg_choices(const wkv_arg_option *o)
{
    return o->choices_of != NULL ? o->choices_of() : o->choices;
}

typedef struct wkv_arg_operand {
    const char *name;
    const char *help;
    bool optional; /* only the last may be */
    bool repeated; /* one or more, or none where it is optional; only the last may be */
} wkv_arg_operand;

enum { WKV_ARG_OPERANDS_MAX = 3 };

enum { WKV_ARG_OPTIONS_MAX = 128 };

/* What the user wrote. */
typedef struct wkv_args {
    bool given[WKV_ARG_OPTIONS_MAX];           /* [i]: option i of the table was used */
    const char *operand[WKV_ARG_OPERANDS_MAX]; /* NULL when not given; of several, the first */
    char **all; /* every operand, in order, where the last one may be repeated */
    int n_all;
    char **argv; /* what was parsed; as it was, where the command takes no operands */
    int argc;
    bool help; /* --help: nothing else is to be looked at */
} wkv_args;

typedef struct wkv_command {
    const char *name;
    const char *summary;     /* one line */
    const char *description; /* paragraphs, for help */
    const wkv_arg_operand *operands;
    size_t n_operands;
    const wkv_arg_option *options;
    size_t n_options;            /* at most WKV_ARG_OPTIONS_MAX */
    const char *const *examples; /* command line, explanation, ..., NULL */
    size_t options_size;
    void (*init)(void *options);                     /* sets the defaults, over zeroed memory */
    int (*run)(const wkv_args *args, void *options); /* an exit code */
} wkv_command;

/* The tables of a command, which have the same names in every file of one. */
#define WKV_COMMAND_OPERANDS .operands = operands, .n_operands = WKV_COUNT(operands)
#define WKV_COMMAND_OPTIONS \
    .options = table, .n_options = WKV_COUNT(table), .options_size = sizeof(options), \
    .examples = examples

/* Parses argv (without program and command name) over the defaults in options, moving the
 * operands to its front.  Returns false after a message on stderr: a usage error. */
bool wkv_args_parse(const wkv_command *c, int argc, char **argv, void *options, wkv_args *out);

/* "wkv COMMAND: text" and where its help is, on stderr; false. */
bool wkv_args_wrong(const wkv_command *c, const char *text);

/* The option of c whose name is these n characters; NULL: there is none. */
const wkv_arg_option *wkv_args_find(const wkv_command *c, const char *name, size_t n);

/* True when option `name` of c was used. */
bool wkv_args_given(const wkv_command *c, const wkv_args *a, const char *name);

/* The option's value as a user would write it, in buf. */
void wkv_args_format(const wkv_arg_option *o, const void *options, char *buf, size_t size);
/* Sets an option from such a text; NULL, or what was expected. */
const char *wkv_args_set(const wkv_arg_option *o, void *options, const char *text);

void wkv_args_help(FILE *out, const wkv_command *c);
void wkv_args_man(FILE *out, const wkv_command *const *commands, size_t n);

/* The index of the name nearest to `word`, or -1 when none is near. */
int wkv_args_nearest(const char *word, const char *(*name)(const void *list, size_t i),
                     const void *list, size_t n);

#endif
