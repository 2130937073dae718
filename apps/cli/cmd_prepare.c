/* apps/cli/cmd_prepare.c - `wkv prepare`: texts and conversations into token files, and a
 * report on what they hold. */
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/prepare_report.h"
#include "common/files.h"
#include "common/relay.h"
#include "common/term.h"

typedef struct options {
    wkv_prepare_opts p;
    const char *out, *input;
    int64_t longest_line;
    bool json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("out", out, "PREFIX",
                  "write PREFIX.bin, PREFIX.idx and, when some tokens are not to be learnt, "
                  "PREFIX.mask.bin and PREFIX.mask.idx; 'wkv train --data PREFIX' reads them"),
     .letter = 'o'},
    {WKV_OPT_TEXT("vocab", p.vocab, "bytes|FILE", "tokenizer: the bytes, or a vocabulary file")},
    {WKV_OPT_CHOICE(
        "input", input, "auto|text|jsonl",
        "what the files are; auto: .jsonl, .ndjson and .json a document a line, .txt and .md a "
        "document a file, and others by whether they begin with '{'")},
    {WKV_OPT_CHOICE_OF(
        "template", p.chat_template, wkv_chat_templates,
        "how conversations become text: world is 'User: ...', a blank line, 'Assistant: ...'")},
    {WKV_OPT_FLAG("strict", p.strict,
                  "stop at the first bad line; without it bad lines are left out and reported")},
    {WKV_OPT_LONG("longest-line", longest_line, "BYTES", 1, 1e8,
                  "longer lines are bad; bounds the memory")},
    WKV_CLI_THREADS_OPTION(p.threads),
    WKV_CLI_JSON_OPTION,
};

static const wkv_arg_operand operands[] = {
    {.name = "FILE",
     .help = "texts, or JSON lines with \"text\", \"messages\", or \"prompt\" and \"response\"; "
             "quoted patterns such as 'data/*.jsonl'; '-' is standard input",
     .repeated = true},
};

static const char *const examples[] = {
    "wkv prepare --out books --vocab rwkv_vocab_v20230424.txt 'books/*.txt'",
    "every file a document",
    "wkv prepare --out chats --vocab rwkv_vocab_v20230424.txt chats.jsonl",
    "conversations: only the assistant's words will be learnt",
    "zcat pile.jsonl.gz | wkv prepare --out pile --vocab 20B_tokenizer.json -",
    "from standard input, in bounded memory",
    NULL};

static void init(void *opts)
{
    options *o = opts;
    wkv_prepare_opts_init(&o->p);
    o->input = "auto";
    o->longest_line = (int64_t)o->p.longest_line;
}

/* ---- progress -------------------------------------------------------------------------- */

enum { BAD_SHOWN = 20 };

typedef struct view {
    double start;
    uint64_t total; /* bytes of all inputs; 0: not known */
    uint64_t bad;
} view;

static bool progress(void *user, const wkv_prepare_progress *p)
{
    const view *v = user;
    char bytes[32], rate[32], tokens[32], documents[32], left[64] = "";
    double seconds = wkv_term_clock() - v->start;
    if (wkv_term_stopped())
        return false;
    if (!wkv_term_is_terminal(stderr) || !wkv_term_progress_due() || seconds <= 0)
        return true;
    double per_second = (double)p->bytes / seconds;
    if (v->total > 0 && p->bytes <= v->total && per_second > 0) {
        long s = (long)((double)(v->total - p->bytes) / per_second);
        snprintf(left, sizeof left, "  %.0f%%  %ld:%02ld left",
                 100.0 * (double)p->bytes / (double)v->total, s / 60, s % 60);
    }
    wkv_term_progress(
        "%sB  %s documents  %s tokens  %sB/s%s", wkv_cli_short((double)p->bytes, bytes),
        wkv_cli_short((double)p->documents, documents), wkv_cli_short((double)p->tokens, tokens),
        wkv_cli_short(per_second, rate), left);
    return true;
}

static void bad_line(void *user, const char *input, uint64_t line, const char *why)
{
    view *v = user;
    if (v->bad++ < BAD_SHOWN)
        wkv_term_error("prepare", "%s: line %llu left out: %s", input, (unsigned long long)line,
                       why);
    else if (v->bad == BAD_SHOWN + 1)
        wkv_term_error("prepare", "further bad lines are only counted");
}

/* ---- inputs ----------------------------------------------------------------------------- */

/* The files of the operands: those that exist are taken as they are, others as patterns.
 * False after a message. */
static bool expand(const wkv_args *args, glob_t *files)
{
    *files = (glob_t){0};
    for (int i = 0; i < args->n_all; i++) {
        const char *name = args->all[i];
        bool plain = strcmp(name, "-") == 0 || access(name, F_OK) == 0;
        int flags = GLOB_NOCHECK | (i > 0 ? GLOB_APPEND : 0) | (plain ? GLOB_NOMAGIC : 0);
        if (plain && strpbrk(name, "*?[\\") != NULL)
            flags |= GLOB_NOESCAPE;
        if (glob(name, flags, NULL, files) != 0) {
            wkv_term_error("prepare", "%s: out of memory", name);
            return false;
        }
    }
    return true;
}

static uint64_t total_bytes(const glob_t *files)
{
    uint64_t total = 0;
    for (size_t i = 0; i < files->gl_pathc; i++) {
        struct stat st;
        if (stat(files->gl_pathv[i], &st) != 0 || !S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}

static bool read_all(wkv_prepare *p, const options *o, const glob_t *files)
{
    static const wkv_input kinds[] = {WKV_INPUT_AUTO, WKV_INPUT_TEXT, WKV_INPUT_JSONL};
    int kind = o->input[0] == 'a' ? 0 : o->input[0] == 't' ? 1 : 2;
    wkv_error err;
    for (size_t i = 0; i < files->gl_pathc; i++) {
        if (strcmp(files->gl_pathv[i], "-") == 0)
            wkv_relay_standard_input();
        if (wkv_prepare_add(p, files->gl_pathv[i], kinds[kind], &err) != WKV_OK) {
            wkv_term_error("prepare", "%s", err.text);
            return false;
        }
    }
    if (wkv_term_stopped()) { /* which ended standard input */
        wkv_term_error("prepare", "stopped; nothing is written");
        return false;
    }
    if (wkv_prepare_finish(p, &err) == WKV_OK)
        return true;
    wkv_term_error("prepare", "%s", err.text);
    return false;
}

/* ---- the command -------------------------------------------------------------------------- */

/* Of the files that are written, the last of them for a while only. */
static const char *const suffixes[] = {"bin", "idx", "mask.bin", "mask.idx", "items"};

static bool spares(const char *prefix, const glob_t *files)
{
    char out[WKV_PATH_MAX];
    for (size_t i = 0; i < WKV_COUNT(suffixes); i++) {
        snprintf(out, sizeof out, "%s.%s", prefix, suffixes[i]);
        for (size_t j = 0; j < files->gl_pathc; j++)
            if (!wkv_cli_spares("prepare", out, files->gl_pathv[j]))
                return false;
    }
    return true;
}

/* Removes what a killed process left beside the files that this one writes. */
static void sweep(const char *prefix)
{
    char dir[WKV_PATH_MAX], name[WKV_PATH_MAX];
    const char *slash = strrchr(prefix, '/');
    snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - prefix) + 1 : 1,
             slash != NULL ? prefix : ".");
    for (size_t i = 0; i < WKV_COUNT(suffixes); i++) {
        snprintf(name, sizeof name, "%s.%s", slash != NULL ? slash + 1 : prefix, suffixes[i]);
        wkv_files_sweep_dead(dir, name);
    }
}

static int prepare(options *o, const glob_t *files)
{
    view v = {.start = wkv_term_clock(), .total = total_bytes(files)};
    wkv_prepare *p;
    wkv_error err;
    o->p.longest_line = (uint64_t)o->longest_line;
    o->p.progress = progress;
    o->p.bad_line = bad_line;
    o->p.user = &v;
    if (wkv_prepare_open(&p, o->out, &o->p, &err) != WKV_OK)
        return wkv_term_error("prepare", "%s", err.text);
    bool ok = read_all(p, o, files);
    wkv_prepare_report report;
    wkv_prepare_describe(p, &report);
    wkv_prepare_close(&p);
    wkv_term_progress_end();
    if (!ok)
        return wkv_term_stopped() ? WKV_EXIT_INTERRUPT : WKV_EXIT_FAILURE;
    return wkv_prepare_print(&report, o->out, o->p.vocab, wkv_term_clock() - v.start, o->json)
               ? WKV_EXIT_OK
               : WKV_EXIT_FAILURE;
}

/* False after a message.  Without a name the files would be hidden ones: ".bin", ".idx". */
static bool has_name(const char *prefix)
{
    char text[WKV_WHY_MAX];
    if (prefix == NULL)
        return wkv_args_wrong(&wkv_cmd_prepare, "--out is missing");
    const size_t n = strlen(prefix);
    if (n > 0 && prefix[n - 1] != '/')
        return true;
    snprintf(text, sizeof text, "--out: expected how the files' names begin, found '%s'", prefix);
    return wkv_args_wrong(&wkv_cmd_prepare, text);
}

static int run(const wkv_args *args, void *opts)
{
    options *o = opts;
    glob_t files;
    if (!has_name(o->out))
        return WKV_EXIT_USAGE;
    wkv_term_catch_stop();
    sweep(o->out);
    int code =
        expand(args, &files) && spares(o->out, &files) ? prepare(o, &files) : WKV_EXIT_FAILURE;
    globfree(&files);
    return code;
}

const wkv_command wkv_cmd_prepare = {
    .name = "prepare",
    .summary = "turn texts and conversations into the token files that training reads",
    .description =
        "Writes a binidx set, as RWKV-LM and Megatron read it: a document a line or file, each "
        "ended by token 0, ids as u16 where the vocabulary allows it. Of conversations only "
        "the assistant's words are to be learnt, which a mask beside the tokens says. The "
        "files appear when all is done, and never by halves; the same inputs give the same "
        "bytes, whatever the number of threads; memory does not grow with the inputs.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .init = init,
    .run = run,
};
