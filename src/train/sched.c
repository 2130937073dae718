/* train/sched.c - a cosine from lr to lr_final over the tokens after the warm-up, times a
 * linear warm-up from lr/100.
 *
 * The reference trainer's schedule, with one difference: it warms up anew after every
 * restart, since it does not save the moments.  We do, and a resumed run must not differ
 * from an uninterrupted one, so the warm-up belongs to the first steps of the run. */
#include "train/sched.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

double wkv_sched_lr(const wkv_train_opts *o, int64_t s)
{
    /* Tokens divided by tokens per step: every step has as many. */
    double after = (double)(o->steps - o->warmup);
    double progress = after > 0 ? (double)(s - o->warmup) / after : 0;
    progress = fmin(fmax(progress, 0), 1);
    double f = o->lr_final / o->lr;
    double lr = o->lr * ((0.5 + f / 2) + (0.5 - f / 2) * cos(PI * progress));
    if (s < o->warmup)
        lr *= 0.01 + 0.99 * (double)s / (double)o->warmup;
    return lr;
}
