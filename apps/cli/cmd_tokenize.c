/* apps/cli/cmd_tokenize.c - `wkv tokenize`: text to ids and back, in bounded memory
 * however long the texts and their lines are. */

#include "cli/cli.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    bool decode, count, json, stats;
    int32_t threads;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_FLAG("decode", decode, "turn ids back into the exact bytes"), .letter = 'd'},
    {WKV_OPT_FLAG("count", count, "print only how many ids there are")},
    WKV_CLI_JSON_OPTION,
    {WKV_OPT_FLAG("stats", stats,
                  "say at the end, on standard error, how much was encoded and how fast")},
    WKV_CLI_THREADS_OPTION(threads),
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL|VOCAB",
     .help = "a model that carries a tokenizer, a vocabulary file, or 'bytes'"},
    {.name = "FILE",
     .help = "the texts, or with --decode the ids; standard input when absent or '-'",
     .optional = true,
     .repeated = true},
};

static const char *const examples[] = {
    "wkv tokenize model.safetensors story.txt",
    "print the ids of a text, on one line",
    "wkv tokenize rwkv_vocab_v20230424.txt --count < story.txt",
    "how many tokens the text has",
    "wkv tokenize rwkv_vocab_v20230424.txt --count --stats corpus/*.txt",
    "the same of each of many texts, with a sum",
    "wkv tokenize bytes story.txt | wkv tokenize bytes --decode | cmp - story.txt",
    "there and back again",
    NULL};

typedef struct job {
    const options *o;
    const wkv_tokenizer *tokenizer;
    const char *name;    /* of the file in hand */
    int files;           /* how many there are to encode */
    uint64_t count;      /* ids of this file */
    uint64_t ids, bytes; /* of all so far */
    bool watched;        /* somebody sees the progress, and not between the ids */
    double start;
} job;

static void show_progress(const job *j)
{
    char bytes[32], ids[32], rate[32];
    double seconds = wkv_term_clock() - j->start;
    wkv_term_progress("%sB, %s ids, %.2f s, %sB/s", wkv_cli_short((double)j->bytes, bytes),
                      wkv_cli_short((double)j->ids, ids), seconds,
                      wkv_cli_short(seconds > 0 ? (double)j->bytes / seconds : 0, rate));
}

/* Writes the digits of v; returns where they end. */
static char *put_number(char *to, uint32_t v)
{
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* Ids are printed by hand, many at a time: a text of a gigabyte has a quarter of a
 * billion. */
static bool print_ids(void *user, const int32_t *ids, size_t n)
{
    enum { PIECE = 1 << 14, LONGEST = 12 }; /* a comma, a space and ten digits */
    static char piece[PIECE + LONGEST];
    job *j = user;
    char *to = piece;
    for (size_t i = 0; i < n && !j->o->count; i++) {
        if (j->count + i > 0) {
            if (j->o->json)
                *to++ = ',';
            *to++ = ' ';
        }
        to = put_number(to, (uint32_t)ids[i]);
        if (to - piece >= PIECE) {
            fwrite(piece, 1, (size_t)(to - piece), stdout);
            to = piece;
        }
    }
    fwrite(piece, 1, (size_t)(to - piece), stdout);
    j->count += n;
    j->ids += n;
    if (j->watched && wkv_term_progress_due())
        show_progress(j);
    return !ferror(stdout);
}

static bool print_bytes(void *user, const int32_t *ids, size_t n)
{
    job *j = user;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *bytes = wkv_tokenizer_token(j->tokenizer, ids[i], &len);
        if (bytes == NULL) {
            wkv_term_error("tokenize", "%s: item %llu: id %d is not in the vocabulary", j->name,
                           (unsigned long long)(j->count + i + 1), (int)ids[i]);
            return false;
        }
        fwrite(bytes, 1, len, stdout);
    }
    j->count += n;
    return !ferror(stdout);
}

/* Where there are several files, the name of each stands beside what was found in it. */
static bool encode_stream(job *j, FILE *in)
{
    const options *o = j->o;
    if (o->json) {
        wkv_json out;
        wkv_json_init(&out, stdout);
        putchar('{');
        if (j->files > 1) {
            wkv_json_string(&out, "file", j->name);
            fputs(", ", stdout);
        }
        fputs(o->count ? "" : "\"ids\": [", stdout);
    }
    if (!wkv_cli_encode("tokenize", j->tokenizer, o->threads, in, j->name, &j->bytes, print_ids, j))
        return false;
    if (o->json)
        printf("%s\"count\": %llu}\n", o->count ? "" : "], ", (unsigned long long)j->count);
    else if (o->count && j->files > 1)
        printf("%llu %s\n", (unsigned long long)j->count, j->name);
    else if (o->count)
        printf("%llu\n", (unsigned long long)j->count);
    else
        putchar('\n');
    return true;
}

static bool do_file(job *j, const char *path)
{
    FILE *in = wkv_cli_open_input("tokenize", path);
    if (in == NULL)
        return false;
    j->name = in == stdin ? "standard input" : path;
    j->count = 0;
    bool ok = j->o->decode ? wkv_cli_read_ids("tokenize", in, j->name, print_bytes, j)
                           : encode_stream(j, in);
    wkv_cli_close_input(in);
    return ok;
}

static bool do_files(job *j, const wkv_args *args)
{
    bool ok = true;
    j->files = args->n_all > 1 ? args->n_all - 1 : 1;
    j->start = wkv_term_clock();
    for (int i = 0; i < j->files && ok; i++)
        ok = do_file(j, args->n_all > 1 ? args->all[i + 1] : NULL);
    if (ok && j->o->count && !j->o->json && j->files > 1)
        printf("%llu total\n", (unsigned long long)j->ids);
    if (ok && (j->watched || j->o->stats))
        show_progress(j);
    wkv_term_progress_end();
    return ok;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    if (o->decode && (o->count || o->json || o->stats)) {
        fprintf(stderr, "wkv tokenize: --decode prints bytes; it goes with none of --count, --json "
                        "and --stats\n");
        return WKV_EXIT_USAGE;
    }
    wkv_tokenizer *t;
    wkv_error err;
    if (wkv_tokenizer_open(&t, args->operand[0], &err) != WKV_OK)
        return wkv_term_error("tokenize", "%s", err.text);
    bool watched = !o->decode && wkv_term_is_terminal(stderr) && !wkv_term_is_terminal(stdout);
    job j = {.o = o, .tokenizer = t, .watched = watched};
    bool ok = do_files(&j, args);
    wkv_tokenizer_close(&t);
    return ok || ferror(stdout) ? WKV_EXIT_OK : WKV_EXIT_FAILURE;
}

const wkv_command wkv_cmd_tokenize = {
    .name = "tokenize",
    .summary = "turn text into token ids, and ids into text",
    .description = "Prints the ids of each text on a line, separated by spaces. Any bytes can be "
                   "encoded, and --decode gives exactly the same bytes back; a tokenizer.json "
                   "that normalises its text gives the normal form back.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .run = run,
};
