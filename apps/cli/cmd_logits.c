/* apps/cli/cmd_logits.c - `wkv logits`: what a model says after some tokens, number by
 * number, for comparing it with other programs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    wkv_cli_model_opts model;
    const char *ids;
    bool step, json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_TEXT("ids", ids, "LIST",
                  "the tokens to feed, separated by commas; without it, standard input is read")},
    {WKV_OPT_FLAG("step", step, "feed them one at a time instead of as one sequence")},
    WKV_CLI_JSON_OPTION,
    WKV_CLI_MODEL_OPTIONS(model),
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a model file of any known format"}};

static const char *const examples[] = {"wkv logits model.pth --ids 34,105,110",
                                       "the logits after these three tokens", NULL};

typedef struct job {
    const options *o;
    wkv_model *model;
    wkv_session *session;
    int32_t vocab;
} job;

static bool feed(void *user, const int32_t *ids, size_t n)
{
    job *j = user;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= j->vocab) {
            wkv_term_error("logits", "id %d is outside the model's vocabulary of %d", (int)ids[i],
                           (int)j->vocab);
            return false;
        }
    }
    char text[WKV_CLI_FEED_ERROR];
    size_t step = j->o->step ? 1 : n;
    wkv_status s = WKV_OK;
    for (size_t i = 0; i < n && s == WKV_OK; i += step)
        s = wkv_session_feed(j->session, ids + i, step);
    if (s != WKV_OK)
        wkv_term_error("logits", "%s", wkv_cli_feed_error(j->model, j->session, step, s, text));
    return s == WKV_OK;
}

static void print_logits(const float *logits, int32_t n, bool json)
{
    wkv_json j;
    wkv_json_init(&j, stdout);
    if (json)
        wkv_json_open(&j, NULL, '[');
    for (int32_t i = 0; i < n; i++) {
        if (json)
            wkv_json_number(&j, NULL, (double)logits[i], 9);
        else
            printf("%.9g\n", (double)logits[i]);
    }
    if (json)
        wkv_json_close(&j, ']');
}

static FILE *open_ids(const char *ids)
{
    if (ids == NULL)
        return stdin;
    return ids[0] != '\0' ? fmemopen((void *)(uintptr_t)ids, strlen(ids), "r")
                          : fopen("/dev/null", "r");
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    wkv_model_info info;
    job j = {.o = o};
    if (!wkv_cli_open("logits", args->operand[0], &o->model, &j.model, &j.session))
        return WKV_EXIT_FAILURE;
    wkv_model_describe(j.model, &info);
    j.vocab = info.vocab;
    FILE *in = open_ids(o->ids);
    bool ok = in != NULL &&
              wkv_cli_read_ids("logits", in, o->ids != NULL ? "--ids" : "standard input", feed, &j);
    wkv_cli_close_input(in);
    const float *logits = wkv_session_logits(j.session);
    if (ok && logits == NULL) {
        wkv_term_error("logits", "expected at least one token id");
        ok = false;
    }
    if (ok)
        print_logits(logits, info.vocab, o->json);
    wkv_session_close(&j.session);
    wkv_model_close(&j.model);
    return ok ? WKV_EXIT_OK : WKV_EXIT_FAILURE;
}

const wkv_command wkv_cmd_logits = {
    .name = "logits",
    .summary = "print a model's logits after some tokens",
    .description = "Feeds token ids from the initial state and prints the logits of the next "
                   "token, one a line, with nine significant digits: enough to tell any two "
                   "32-bit numbers apart.",
    WKV_COMMAND_OPERANDS,
    WKV_COMMAND_OPTIONS,
    .run = run,
};
