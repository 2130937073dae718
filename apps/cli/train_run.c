/* apps/cli/train_run.c - see train_run.h.
 *
 * A run lives in a folder (train_dir.h) and can be stopped at any moment, also by
 * kill -9: each step's line of metrics is written before the checkpoint that holds it,
 * and resuming cuts the metrics back to the checkpoint. */
#include "cli/train_run.h"

#include <math.h>
#include <unistd.h>

#include "cli/train_log.h"
#include "cli/train_view.h"
#include "common/term.h"

typedef wkv_train_options options;

/* A trainer at the step where the run stands.  *fresh: it begins. */
static bool open_trainer(const options *o, const wkv_train_dir *d, bool *fresh, wkv_trainer **t)
{
    wkv_error err;
    *fresh = !o->resume || access(d->checkpoint, F_OK) != 0;
    if (wkv_trainer_open(t, &o->t, &err) != WKV_OK) {
        wkv_term_error("train", "%s", err.text);
        return false;
    }
    if (*fresh || wkv_trainer_restore(*t, d->checkpoint, &err) == WKV_OK)
        return true;
    wkv_term_error("train", "%s", err.text);
    wkv_trainer_close(t);
    return false;
}

typedef struct run_state {
    const options *o;
    wkv_trainer *trainer;
    wkv_train_dir *dir;
    wkv_train_log log;
    wkv_train_view view;
    wkv_step last;
    bool stopped; /* a signal came; all is saved */
} run_state;

static bool fail(const wkv_error *err)
{
    wkv_term_error("train", "%s", err->text);
    return false;
}

static bool due(int64_t step, int64_t every, bool last)
{
    return last || (every > 0 && step % every == 0);
}

/* One step with all that belongs to it. */
static bool do_step(run_state *r)
{
    wkv_error err;
    double val_loss = NAN;
    int64_t steps = r->view.info.steps;
    if (wkv_trainer_step(r->trainer, &r->last, &err) != WKV_OK)
        return fail(&err);
    int64_t step = r->last.step;
    if (r->view.info.val_tokens > 0 && due(step, r->o->val_every, step == steps) &&
        wkv_trainer_validate(r->trainer, &val_loss, &err) != WKV_OK)
        return fail(&err);
    double tokens = (double)r->last.tokens / (double)step;
    double rate = r->last.seconds > 0 ? tokens / r->last.seconds : 0.0;
    const wkv_train_line line = {r->last, rate, r->view.info.flops_per_token, val_loss};
    if (!wkv_train_log_step(&r->log, &line))
        return false;
    wkv_train_view_step(&r->view, &r->last, rate, val_loss);
    r->stopped = wkv_term_stopped();
    if (!r->stopped && !due(step, r->o->save_every, step == steps))
        return true;
    return wkv_train_log_sync(&r->log) &&
           (wkv_trainer_save(r->trainer, r->dir->checkpoint, &err) == WKV_OK || fail(&err));
}

static bool train(run_state *r)
{
    wkv_error err;
    while (r->last.step < r->view.info.steps && !r->stopped)
        if (!do_step(r))
            return false;
    if (r->last.step < r->view.info.steps) {
        wkv_term_progress_end();
        fprintf(stderr,
                "stopped after step %lld; saved %s\ngo on with: wkv train --resume --out %s\n",
                (long long)r->last.step, r->dir->checkpoint, r->o->out);
        return true;
    }
    if (wkv_trainer_export(r->trainer, r->dir->model, &err) != WKV_OK)
        return fail(&err);
    wkv_train_view_end(&r->view, r->dir, &r->last, r->o->plot);
    return true;
}

int wkv_train_run(const options *o, wkv_train_dir *d)
{
    run_state r = {.o = o, .dir = d};
    bool fresh;
    if (!open_trainer(o, d, &fresh, &r.trainer))
        return WKV_EXIT_FAILURE;
    bool ok = wkv_train_dir_begin(d, o->out, &wkv_cmd_train, o, fresh);
    if (ok) {
        wkv_train_view_begin(&r.view, r.trainer);
        r.last.step = r.view.info.step;
        ok = wkv_train_log_open(&r.log, o->out, d->metrics, r.last.step) && train(&r);
        wkv_train_log_close(&r.log);
    }
    wkv_trainer_close(&r.trainer);
    return ok ? WKV_EXIT_OK : WKV_EXIT_FAILURE;
}
