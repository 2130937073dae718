/* apps/cli/cmd_bench.c - `wkv bench`: how fast a model runs here, and how near that is
 * to what the memory allows.
 *
 * Decoding one token reads every weight once but for the embedding, of which it reads
 * one row, and reads and writes the state.  The memory's bandwidth is measured in the
 * same run, with the same threads. */
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "common/json_out.h"
#include "common/term.h"

typedef struct options {
    wkv_cli_model_opts model;
    int32_t prompt, tokens, repeat;
    bool json;
} options;

static const wkv_arg_option table[] = {
    {WKV_OPT_INT("prompt", prompt, "N", 1, 1 << 20, "tokens of the prompt, fed as one sequence"),
     .letter = 'p'},
    {WKV_OPT_INT("tokens", tokens, "N", 1, 1 << 20, "tokens to decode, one at a time"),
     .letter = 'n'},
    {WKV_OPT_INT("repeat", repeat, "N", 1, 1000,
                 "rounds; the best counts, for whatever disturbs a round makes it slower"),
     .letter = 'r'},
    WKV_CLI_JSON_OPTION,
    WKV_CLI_MODEL_OPTIONS(model),
};

static const wkv_arg_operand operands[] = {
    {.name = "MODEL", .help = "a model file of any known format"}};

static const char *const examples[] = {"wkv bench model.safetensors --threads 2",
                                       "speed with two threads", NULL};

static void init(void *opts)
{
    options *o = opts;
    o->prompt = 512;
    o->tokens = 64;
    o->repeat = 3;
}

typedef struct result {
    double prompt_rate, decode_rate; /* tokens per second */
    double bytes_per_token;
    double bandwidth; /* bytes per second, measured */
    double share;     /* of it that decoding reaches */
} result;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One round of each; ids only have to be in range. */
static wkv_status run_round(wkv_session *s, const int32_t *ids, const options *o, result *r)
{
    wkv_session_reset(s);
    double start = now();
    wkv_status status = wkv_session_feed(s, ids, (size_t)o->prompt);
    double rate = o->prompt / (now() - start);
    r->prompt_rate = rate > r->prompt_rate ? rate : r->prompt_rate;
    start = now();
    for (int32_t i = 0; i < o->tokens && status == WKV_OK; i++)
        status = wkv_session_feed(s, &ids[i % o->prompt], 1);
    rate = o->tokens / (now() - start);
    r->decode_rate = rate > r->decode_rate ? rate : r->decode_rate;
    return status;
}

static double bytes_per_token(const wkv_model_info *m)
{
    double each = (double)m->weight_bytes / (double)m->parameters;
    double embedding = (double)(m->vocab - 1) * m->width * each;
    return (double)m->weight_bytes - embedding + 2.0 * (double)m->state_bytes;
}

static void print_result(const wkv_model_info *m, const options *o, const result *r)
{
    char text[32];
    printf("decode        %.1f tokens/s (%.3f ms each)\n", r->decode_rate, 1e3 / r->decode_rate);
    printf("prompt        %.1f tokens/s (%d at once)\n", r->prompt_rate, (int)o->prompt);
    printf("per token     %sB read\n", wkv_cli_short(r->bytes_per_token, text));
    printf("memory        %.1f GB/s measured; decoding reaches %.0f %%\n", r->bandwidth * 1e-9,
           100.0 * r->share);
    printf("run with      %d threads, %s\n", (int)m->threads, wkv_cpu_name());
}

static void print_json(const wkv_model_info *m, const options *o, const result *r)
{
    wkv_json j;
    wkv_json_init(&j, stdout);
    wkv_json_open(&j, NULL, '{');
    wkv_json_number(&j, "decode_tokens_per_s", r->decode_rate, 6);
    wkv_json_number(&j, "prompt_tokens_per_s", r->prompt_rate, 6);
    wkv_json_int(&j, "prompt_tokens", o->prompt);
    wkv_json_int(&j, "decode_tokens", o->tokens);
    wkv_json_number(&j, "bytes_per_token", r->bytes_per_token, 12);
    wkv_json_number(&j, "memory_bytes_per_s", r->bandwidth, 6);
    wkv_json_number(&j, "memory_share", r->share, 4);
    wkv_json_int(&j, "threads", m->threads);
    wkv_json_string(&j, "cpu", wkv_cpu_name());
    wkv_json_close(&j, '}');
}

static int measure(const wkv_model_info *m, wkv_session *s, const options *o)
{
    result r = {0};
    int32_t *ids = malloc((size_t)o->prompt * sizeof *ids);
    if (ids == NULL)
        return wkv_term_error("bench", "out of memory");
    for (int32_t i = 0; i < o->prompt; i++)
        ids[i] = (int32_t)((int64_t)i * 7919 % m->vocab);
    wkv_status status = WKV_OK;
    for (int32_t k = 0; k < o->repeat && status == WKV_OK; k++)
        status = run_round(s, ids, o, &r);
    free(ids);
    if (status != WKV_OK)
        return wkv_term_error("bench", "%s", wkv_status_text(status));
    r.bytes_per_token = bytes_per_token(m);
    r.bandwidth = wkv_measure_bandwidth(m->threads, 0.5);
    r.share = r.bandwidth > 0 ? r.bytes_per_token * r.decode_rate / r.bandwidth : 0;
    (o->json ? print_json : print_result)(m, o, &r);
    return WKV_EXIT_OK;
}

static int run(const wkv_args *args, void *opts)
{
    const options *o = opts;
    wkv_model *model;
    wkv_session *session;
    wkv_model_info info;
    if (!wkv_cli_open("bench", args->operand[0], &o->model, &model, &session))
        return WKV_EXIT_FAILURE;
    wkv_model_describe(model, &info);
    int code = measure(&info, session, o);
    wkv_session_close(&session);
    wkv_model_close(&model);
    return code;
}

const wkv_command wkv_cmd_bench = {
    .name = "bench",
    .summary = "measure how fast a model runs on this machine",
    .description =
        "Measures decoding (one token at a time, as when text is generated) and reading a "
        "prompt, and sets decoding against the bandwidth of the memory, which limits it. A "
        "model that fits into the processor's caches may reach more than 100 %.",
    .operands = operands,
    .n_operands = WKV_COUNT(operands),
    .options = table,
    .n_options = WKV_COUNT(table),
    .examples = examples,
    .options_size = sizeof(options),
    .init = init,
    .run = run,
};
