/* speak.c - a model continues a text: the smallest program that is of use.
 *
 *   cc speak.c $(pkg-config --cflags --libs wkv) -o speak
 *   ./speak model.safetensors "Once upon a time" */
#include <stdio.h>
#include <string.h>
#include <wkv/wkv.h>

enum { TOKENS = 200, MAX_PROMPT = 4096 };

static int fail(const wkv_error *err)
{
    fprintf(stderr, "speak: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: speak MODEL PROMPT\n");
        return 2;
    }
    wkv_error err;
    wkv_model *model;
    wkv_session *session;
    wkv_sampler *sampler;
    wkv_sampler_opts opts;
    wkv_sampler_opts_init(&opts);
    if (wkv_model_open(&model, argv[1], NULL, &err) != WKV_OK)
        return fail(&err);
    const wkv_tokenizer *t = wkv_model_tokenizer(model);
    if (t == NULL) {
        fprintf(stderr, "speak: %s carries no vocabulary\n", argv[1]);
        return 1;
    }
    wkv_model_info info;
    wkv_model_describe(model, &info);
    if (wkv_session_open(&session, model, &err) != WKV_OK ||
        wkv_sampler_open(&sampler, info.vocab, &opts, t, &err) != WKV_OK)
        return fail(&err);

    int32_t prompt[MAX_PROMPT];
    size_t n = wkv_tokenizer_encode(t, argv[2], strlen(argv[2]), prompt, MAX_PROMPT);
    if (n == 0 || n > MAX_PROMPT || wkv_session_feed(session, prompt, n) != WKV_OK) {
        fprintf(stderr, "speak: the prompt does not suit the model\n");
        return 1;
    }
    for (int i = 0; i < TOKENS; i++) {
        int32_t id = wkv_sampler_next(sampler, wkv_session_logits(session));
        size_t size;
        const char *bytes = wkv_tokenizer_token(t, id, &size);
        if (bytes == NULL || size == 0 || wkv_session_feed(session, &id, 1) != WKV_OK)
            break;
        fwrite(bytes, 1, size, stdout);
    }
    putchar('\n');

    wkv_sampler_close(&sampler);
    wkv_session_close(&session);
    wkv_model_close(&model);
    return 0;
}
