/* only_train.c - linked from all of the library but src/model; see only_infer.c. */
#include <wkv/train.h>

int main(void)
{
    wkv_error err;
    wkv_train_opts opts;
    wkv_trainer *trainer;
    wkv_step step;
    wkv_train_opts_init(&opts);
    opts.vocab = "bytes";
    opts.data = "/nonexistent/text";
    if (wkv_trainer_open(&trainer, &opts, &err) == WKV_OK)
        return wkv_trainer_step(trainer, &step, &err) == WKV_OK;
    return err.text[0] == '\0';
}
