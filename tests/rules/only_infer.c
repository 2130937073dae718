/* only_infer.c - linked from all of the library but src/train.
 *
 * That it links is the test.  Calling each half's doors keeps the linker from dropping
 * what they need; none of these files exists, so every call must fail and say why. */
#include <wkv/wkv.h>

int main(void)
{
    wkv_error err;
    wkv_model *model;
    wkv_session *session;
    wkv_sampler *sampler;
    if (wkv_model_open(&model, "/nonexistent/model", NULL, &err) == WKV_OK)
        return wkv_session_open(&session, model, &err) == WKV_OK;
    if (err.text[0] == '\0')
        return 1;
    wkv_sampler_opts opts;
    wkv_sampler_opts_init(&opts);
    if (wkv_sampler_open(&sampler, 256, &opts, NULL, &err) != WKV_OK)
        return 1;
    wkv_sampler_close(&sampler);
    return wkv_convert("/nonexistent/in", "/nonexistent/out", NULL, &err) == WKV_OK;
}
