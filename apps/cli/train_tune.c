/* apps/cli/train_tune.c - see train_tune.h. */
#include "cli/train_tune.h"

#include <string.h>

#include "common/files.h"

static bool wrong(const char *text)
{
    return wkv_args_wrong(&wkv_cmd_train, text);
}

bool wkv_train_tune_settle(const wkv_train_tune *t, wkv_train_opts *o)
{
    const int ways = (t->lora > 0) + (t->pissa > 0) + t->state;
    if (ways > 1)
        return wrong("--lora, --pissa and --state-tuning are three ways of tuning; choose one");
    if (ways > 0 && o->init == NULL)
        return wrong("--init is missing: the model that is to be tuned");
    if (o->lora_targets != NULL && t->lora == 0 && t->pissa == 0)
        return wrong("--lora-targets needs --lora or --pissa");
    if (o->lora_alpha > 0 && t->lora == 0)
        return wrong("--lora-alpha needs --lora; PiSSA has no alpha");
    o->tune = t->lora > 0    ? WKV_TUNE_LORA
              : t->pissa > 0 ? WKV_TUNE_PISSA
              : t->state     ? WKV_TUNE_STATE
                             : WKV_TUNE_FULL;
    o->rank = t->lora + t->pissa;
    return true;
}

const char *wkv_train_tune_made(wkv_tune tune)
{
    return tune == WKV_TUNE_FULL ? "model" : tune == WKV_TUNE_STATE ? "state" : "adapter";
}

wkv_status wkv_train_tune_export(const wkv_trainer *t, wkv_tune tune, const char *path,
                                 wkv_error *err)
{
    char pth[WKV_PATH_MAX];
    const char *dot = strrchr(path, '.');
    wkv_status s = wkv_trainer_export(t, path, err);
    if (s != WKV_OK || tune == WKV_TUNE_FULL)
        return s;
    snprintf(pth, sizeof pth, "%.*s.pth", (int)(dot - path), path);
    return wkv_trainer_export(t, pth, err);
}
