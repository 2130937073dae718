/* apps/cli/cli.h - the commands of wkv, and what several of them share. */
#ifndef WKV_APPS_CLI_H
#define WKV_APPS_CLI_H

#include <wkv/wkv.h>

#include "common/args.h"

/* One table a command, in cmd_<name>.c. */
extern const wkv_command wkv_cmd_bench, wkv_cmd_convert, wkv_cmd_eval, wkv_cmd_generate,
    wkv_cmd_info, wkv_cmd_logits, wkv_cmd_merge, wkv_cmd_plot, wkv_cmd_prepare, wkv_cmd_quantize,
    wkv_cmd_random, wkv_cmd_tokenize, wkv_cmd_train;

/* The options of every command that runs a model. */
typedef struct wkv_cli_model_opts {
    int32_t threads;
    const char *vocab, *adapter, *adapter_init, *state;
    double adapter_alpha;
} wkv_cli_model_opts;

/* Options that several commands have in common; rows of a table, as WKV_OPT_... (args.h). */
#define WKV_CLI_THREADS_OPTION(field) \
    { \
        WKV_OPT_INT("threads", field, "N", 0, 4096, \
                    "threads to use; 0: one for each core that the affinity mask and control " \
                    "groups leave") \
    }

#define WKV_CLI_MODEL_OPTIONS(member) \
    {WKV_OPT_TEXT("vocab", member.vocab, "VOCAB", \
                  "tokenizer for a model that carries none: 'bytes' or a vocabulary file")}, \
        {WKV_OPT_TEXT("adapter", member.adapter, "FILE", \
                      "apply this LoRA or PiSSA adapter, made by 'wkv train' or RWKV-PEFT")}, \
        {WKV_CLI_ALPHA_OPTION(member.adapter_alpha)}, \
        {WKV_CLI_INIT_OPTION(member.adapter_init)}, \
        {WKV_OPT_TEXT("state", member.state, "FILE", \
                      "begin with these initial states, as state tuning makes them")}, \
        WKV_CLI_THREADS_OPTION(member.threads)

#define WKV_CLI_ALPHA_OPTION(field) \
    WKV_OPT_DOUBLE("adapter-alpha", field, "A", 0, 1e9, \
                   "alpha of the LoRA, whose factor is A / rank; 0: as its file says, which " \
                   "RWKV-PEFT's do not")
#define WKV_CLI_INIT_OPTION(field) \
    WKV_OPT_TEXT("adapter-init", field, "FILE", \
                 "where the PiSSA run of the adapter began (RWKV-PEFT's init_pissa.pth); wkv's " \
                 "adapters hold it themselves")

#define WKV_CLI_JSON_OPTION \
    { \
        WKV_OPT_FLAG("json", json, "print JSON, for programs to read") \
    }

/* The library's form of them. */
void wkv_cli_fill_model_opts(wkv_model_opts *to, const wkv_cli_model_opts *from);

/* False after a message when `out`, which the command is to write, is the file `in` that it reads.
 * Either may be NULL, or not exist. */
bool wkv_cli_spares(const char *command, const char *out, const char *in);

/* Opens a model and a session on it; false after a message. */
bool wkv_cli_open(const char *command, const char *path, const wkv_cli_model_opts *o,
                  wkv_model **model, wkv_session **session);

/* Bytes of a model's file; of a folder, of its weights; 0 where there is none. */
long long wkv_cli_model_bytes(const char *path);

/* What is to be said when n tokens could not be fed; in text where it is not a constant. */
enum { WKV_CLI_FEED_ERROR = 256 };
const char *wkv_cli_feed_error(const wkv_model *model, const wkv_session *session, size_t n,
                               wkv_status status, char text[WKV_CLI_FEED_ERROR]);

/* Reads ids separated by spaces, commas or line ends, up to the end of the file; for
 * each full piece of the list, and at the end, calls sink with it.  False after a message,
 * or when sink returns false. */
bool wkv_cli_read_ids(const char *command, FILE *in, const char *name,
                      bool (*sink)(void *user, const int32_t *ids, size_t n), void *user);

/* Encodes a stream of any length in bounded memory, by several threads (0: all there are), and
 * hands the ids on in pieces.  *bytes, where not NULL, grows by what has been read.  False
 * after a message, or when sink returns false. */
bool wkv_cli_encode(const char *command, const wkv_tokenizer *t, int threads, FILE *in,
                    const char *name, uint64_t *bytes,
                    bool (*sink)(void *user, const int32_t *ids, size_t n), void *user);

/* Opens `path` for reading; "-" or NULL is stdin.  NULL after a message. */
FILE *wkv_cli_open_input(const char *command, const char *path);
void wkv_cli_close_input(FILE *f);

/* 1234567 as "1.23M", in buf of 32. */
const char *wkv_cli_short(double v, char *buf);

/* "8GB", "500M", "2GiB", "123" (bytes): K, M, G, T are powers of 1000, with an i of 1024.  False
 * when the text is none of that, or 0. */
bool wkv_cli_parse_bytes(const char *text, uint64_t *bytes);

#endif
