/* model/cut_off.h - how far down a list of weights top-p and top-k reach. */
#ifndef WKV_MODEL_CUT_OFF_H
#define WKV_MODEL_CUT_OFF_H

#include <stdint.h>

/* The lightest that is kept of the n weights weight[at[0]], .., all from 0 to 1 and one of them 1,
 * when the heaviest are kept until they weigh `goal` together or are `limit`, from 1 to n.  room:
 * for n. */
double wkv_cut_off(double *room, const double *weight, const int32_t *at, int32_t n, double goal,
                   int32_t limit);

#endif
