/* apps/cli/train_run.c - see train_run.h.
 *
 * A run lives in a folder (train_dir.h) and can be stopped at any moment, also by
 * kill -9: each step's line of metrics is written before the checkpoint that holds it,
 * and resuming cuts the metrics back to the checkpoint. */
#include "cli/train_run.h"

#include <math.h>

#include "cli/train_clear.h"
#include "cli/train_keep.h"
#include "cli/train_log.h"
#include "cli/train_manifest.h"
#include "cli/train_view.h"
#include "common/term.h"

typedef wkv_train_options options;

typedef struct run_state {
    const options *o;
    wkv_trainer *trainer;
    wkv_train_dir *dir;
    wkv_train_log log;
    wkv_train_manifest manifest;
    wkv_train_sample sample;
    wkv_train_watch *watch; /* or NULL */
    wkv_train_view view;
    wkv_step last;
    wkv_validation held; /* the last that was measured by this call; loss 0: none */
    bool stopped; /* a signal came; all is saved */
    bool owed;    /* a checkpoint is due as soon as a step is taken again */
    bool unvalidated; /* a signal cut a validation short, which is left to the resumed run */
} run_state;

static bool fail(const wkv_error *err)
{
    wkv_term_error("train", "%s", err->text);
    return false;
}

/* The trainer at the step where the run stands.  *fresh: it begins. */
static bool open_trainer(run_state *r, bool *fresh)
{
    wkv_error err;
    if (wkv_trainer_open(&r->trainer, &r->o->t, &err) != WKV_OK)
        return fail(&err);
    *fresh = true;
    if (r->dir->kept == NULL) /* no options: there was nothing to resume */
        return true;
    const char *folder = r->dir->path;
    if (!wkv_train_manifest_recall(&r->manifest, folder, r->o, r->trainer))
        return false;
    wkv_train_kept kept = wkv_train_keep_restore(folder, r->trainer);
    *fresh = kept == WKV_KEPT_NONE;
    return kept != WKV_KEPT_FAILED;
}

/* ---- a step --------------------------------------------------------------------------------- */

static bool due(int64_t step, int64_t every, bool last)
{
    return last || (every > 0 && step % every == 0);
}

/* *measured: r->held is of the model as it stands; false when a signal came in between. */
static bool validate(run_state *r, bool *measured)
{
    wkv_error err;
    wkv_validation v;
    *measured = wkv_trainer_validate(r->trainer, &v, &err) == WKV_OK;
    r->unvalidated = !*measured;
    if (*measured)
        r->held = v;
    return *measured || wkv_term_stopped() || fail(&err);
}

/* While steps are skipped the weights stay as they are, and the checkpoint before the trouble
 * is the one to go back to: none is made that would push it out. */
static bool save_is_due(run_state *r)
{
    const options *o = r->o;
    const int64_t step = r->last.step;
    const bool last = step == r->view.info.steps;
    bool now = due(step, o->save_every, last) || due(step, o->keep_every, last);
    if (r->last.in_row > 0 && !last && !r->stopped) {
        r->owed |= now;
        return false;
    }
    return now || r->owed || r->stopped;
}

static bool save(run_state *r)
{
    char path[WKV_PATH_MAX];
    wkv_error err;
    wkv_train_keep_path(path, r->dir->path, r->last.step);
    r->owed = false;
    return wkv_train_log_sync(&r->log) && wkv_train_sample_sync(&r->sample) &&
           (wkv_trainer_save(r->trainer, path, &err) == WKV_OK || fail(&err)) &&
           wkv_train_keep_prune(r->dir->path, r->o->keep, r->o->keep_every);
}

static void name_last_good(const run_state *r)
{
    char path[WKV_PATH_MAX];
    int64_t step = wkv_train_keep_newest(r->dir->path);
    if (step >= 0)
        wkv_term_error("train", "the last good checkpoint is %s",
                       wkv_train_keep_path(path, r->dir->path, step));
    else
        wkv_term_error("train", "no checkpoint had been made yet");
}

static bool validation_is_due(const run_state *r)
{
    return r->view.info.val_tokens > 0 &&
           due(r->last.step, r->o->val_every, r->last.step == r->view.info.steps);
}

/* One step with all that belongs to it. */
static bool do_step(run_state *r)
{
    wkv_error err;
    bool measured = false;
    wkv_status s = wkv_trainer_step(r->trainer, &r->last, &err);
    if (s != WKV_OK) {
        fail(&err);
        if (s == WKV_E_NUMERIC)
            name_last_good(r);
        return false;
    }
    int64_t step = r->last.step;
    if (validation_is_due(r) && !validate(r, &measured))
        return false;
    double tokens = (double)r->last.tokens / (double)step;
    const wkv_train_line line = {
        .step = r->last,
        .tokens_per_s = r->last.seconds > 0 ? tokens / r->last.seconds : 0.0,
        .flops_per_token = r->view.info.flops_per_token,
        .held = measured ? &r->held : NULL,
    };
    if (!wkv_train_log_step(&r->log, &line))
        return false;
    wkv_train_view_step(&r->view, &line);
    if (due(step, r->o->sample_every, step == r->view.info.steps) &&
        !wkv_train_sample_step(&r->sample, step))
        return false;
    r->stopped = wkv_term_stopped();
    return !save_is_due(r) || save(r);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static bool is_done(const run_state *r)
{
    return r->last.step == r->view.info.steps && !r->unvalidated;
}

/* Does the validation of the last step that was taken, when a signal had cut it short. */
static bool catch_up(run_state *r)
{
    bool measured;
    if (r->last.step == 0 || !validation_is_due(r) ||
        wkv_train_log_is_validated(&r->log, r->last.step))
        return true;
    if (!validate(r, &measured))
        return false;
    r->stopped = !measured;
    if (!measured)
        return true;
    wkv_train_view_validation(&r->view, r->last.step, &r->held);
    return wkv_train_log_validation(&r->log, r->last.step, &r->held);
}

/* What a model that is gone on with knows already of what is held out. */
static bool show_beginning(run_state *r)
{
    bool measured;
    if (r->view.info.step > 0 || r->o->t.init == NULL || r->view.info.val_tokens == 0)
        return true;
    if (!validate(r, &measured))
        return false;
    if (measured)
        fprintf(stderr, "before the first step: validation %.4f\n", r->held.loss);
    return true;
}

/* Whether the finished model is of use, as far as can be told; if not, says so. */
static bool is_sound(const run_state *r)
{
    const wkv_step *s = &r->last;
    if (s->skipped == WKV_SKIP_NUMERIC)
        wkv_term_error(
            "train",
            "no step was taken after step %lld, for loss or gradient are not finite: the "
            "model may be of no use (a lower learning rate may help)",
            (long long)(s->step - s->in_row));
    if (isfinite(r->held.loss))
        return true;
    wkv_term_error(
        "train",
        "%s: the validation loss is not finite: the model is of no use (a lower learning "
        "rate may help)",
        r->dir->model);
    return false;
}

static bool train(run_state *r)
{
    char path[WKV_PATH_MAX];
    wkv_error err;
    while (r->last.step < r->view.info.steps && !r->stopped)
        if (!do_step(r))
            return false;
    if (!is_done(r)) {
        wkv_term_progress_end();
        fprintf(stderr,
                "stopped after step %lld; saved %s\ngo on with: wkv train --resume --out %s\n",
                (long long)r->last.step, wkv_train_keep_path(path, r->dir->path, r->last.step),
                r->o->out);
        return true;
    }
    if (wkv_train_tune_export(r->trainer, r->o->t.tune, r->dir->model, &err) != WKV_OK)
        return fail(&err);
    wkv_train_view_end(&r->view, r->dir, &r->last, r->o->plot);
    return is_sound(r);
}

/* The folder becomes a new run's. */
static bool begin(run_state *r)
{
    wkv_train_dir *d = r->dir;
    wkv_train_manifest_deinit(&r->manifest); /* of a run that was killed before its first step */
    if (!wkv_train_dir_make(d))
        return false;
    if (r->o->resume && d->kept == NULL && wkv_train_dir_has_options(d)) {
        wkv_term_error("train", "%s: another process began a run here meanwhile; resume once more",
                       d->path);
        return false;
    }
    return wkv_train_clear_check(d->path, r->o) && wkv_train_dir_begin(d, &wkv_cmd_train, r->o);
}

/* From the opened trainer to the end. */
static bool run(run_state *r, bool fresh)
{
    wkv_train_dir *d = r->dir;
    if (!wkv_train_sample_open(&r->sample, &r->o->sample, r->trainer) || (fresh && !begin(r)))
        return false;
    if (!wkv_train_manifest_begin(&r->manifest, d->path, r->o, r->trainer))
        return false;
    wkv_train_view_begin(&r->view, r->trainer, r->watch);
    r->last.step = r->view.info.step;
    bool ok = wkv_train_log_open(&r->log, d->path, d->metrics, r->last.step) &&
              wkv_train_sample_begin(&r->sample, d->path, r->last.step) && catch_up(r) &&
              wkv_train_watch_begin(r->watch) && show_beginning(r) && train(r);
    const char *how = !ok ? "failed" : is_done(r) ? "finished" : "stopped";
    return wkv_train_manifest_end(&r->manifest, r->last.step, how) && ok;
}

int wkv_train_run(const options *o, wkv_train_dir *d)
{
    run_state r = {.o = o, .dir = d};
    bool fresh;
    bool ok = (o->watch == 0 || wkv_train_watch_open(&r.watch, d, o->watch)) &&
              open_trainer(&r, &fresh) && run(&r, fresh);
    wkv_train_watch_close(&r.watch);
    wkv_train_sample_close(&r.sample);
    wkv_train_log_close(&r.log);
    wkv_train_manifest_deinit(&r.manifest);
    wkv_trainer_close(&r.trainer);
    return ok ? WKV_EXIT_OK : WKV_EXIT_FAILURE;
}
