/* apps/cli/train_preset.c - see train_preset.h. */
#include "cli/train_preset.h"

#include <assert.h>
#include <string.h>

typedef struct setting {
    const char *option, *value;
} setting;

/* RWKV-LM's reference run, RWKV-7 on MiniPile (RWKV-v7/train_temp/demo-training-run.sh); its
 * 1498226207 tokens are 182889 steps, rounded up. */
static const setting rwkv_lm_v7[] = {
    {"arch", "rwkv7"},
    {"layers", "12"},
    {"width", "768"},
    {"head-size", "64"},
    {"vocab-size", "65536"},
    {"ctx", "512"},
    {"batch", "16"},
    {"order", "random"},
    {"steps", "182889"},
    {"lr", "6e-4"},
    {"lr-final", "6e-5"},
    {"warmup", "10"},
    {"weight-decay", "0.001"},
    {"beta1", "0.9"},
    {"beta2", "0.99"},
    {"adam-eps", "1e-18"},
    {"clip", "1"},
    {"guard", "0"},
};

void wkv_train_preset_apply(const char *preset, const wkv_command *c, const wkv_args *args,
                            void *options)
{
    if (preset == NULL)
        return;
    assert(strcmp(preset, WKV_TRAIN_PRESETS) == 0); /* the only choice there is */
    for (size_t i = 0; i < WKV_COUNT(rwkv_lm_v7); i++) {
        const setting *s = &rwkv_lm_v7[i];
        if (wkv_args_given(c, args, s->option))
            continue;
        const char *wrong =
            wkv_args_set(wkv_args_find(c, s->option, strlen(s->option)), options, s->value);
        assert(wrong == NULL);
        (void)wrong;
    }
}
