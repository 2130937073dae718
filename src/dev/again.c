/* dev/again.c - a device for running a layer's forward a second time, when what products and
 * recurrences made of it is still where they made it, and the cheap rest is wanted again.
 *
 * So all operations do nothing, but for the cheap ones that are listed.  What adds to its
 * output, or advances a state, must never be among these. */
#include "dev/dev.h"

/* Arguments have no use here. */
static void ignore(const wkv_exec *x, ...)
{
    (void)x;
}

#define OP(name, args, call) \
    static void name##_nothing args \
    { \
        ignore call; \
    }
#include "dev/ops.def"
#undef OP

wkv_dev wkv_dev_again(const wkv_dev *d)
{
    wkv_dev again = *d;
#define OP(name, args, call) again.name = name##_nothing;
#include "dev/ops.def"
#undef OP
    again.layernorm = d->layernorm;
    again.act = d->act;
    again.gate = d->gate;
    again.shift_mix = d->shift_mix;
    again.shift_lerp = d->shift_lerp;
    again.head_vec = d->head_vec;
    again.decay = d->decay;
    again.gn_gate = d->gn_gate;
    again.rwkv7_prep = d->rwkv7_prep;
    again.rwkv7_out = d->rwkv7_out;
    again.aft_kernel = d->aft_kernel;
    return again;
}
