/* train/sched.h - the learning rate of a step. */
#ifndef WKV_TRAIN_SCHED_H
#define WKV_TRAIN_SCHED_H

#include <wkv/train.h>

/* The base rate of step s, counted from 0. */
double wkv_sched_lr(const wkv_train_opts *o, int64_t s);

#endif
