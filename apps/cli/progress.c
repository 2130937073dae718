/* apps/cli/progress.c - see progress.h. */
#include "cli/progress.h"

#include <string.h>

#include "cli/cli.h"
#include "common/term.h"

bool wkv_progress_show(wkv_progress *p, const char *did, const char *unit, uint64_t done,
                       uint64_t total)
{
    char is[32], all[32], each[32];
    const double now = wkv_term_clock();
    if (p->did == NULL || strcmp(p->did, did) != 0)
        *p = (wkv_progress){.did = did, .start = now};
    const double rate = now > p->start ? (double)done / (now - p->start) : 0;
    if (rate > 0 && done < total && wkv_term_progress_due())
        wkv_term_progress("%s %s of %s%s, %s%s/s, %.0f s left", did,
                          wkv_cli_short((double)done, is), wkv_cli_short((double)total, all), unit,
                          wkv_cli_short(rate, each), unit, (double)(total - done) / rate);
    return !wkv_term_stopped();
}

int wkv_progress_failed(const char *command, const char *out, const wkv_error *err)
{
    if (err->code != WKV_E_STATE || !wkv_term_stopped())
        return wkv_term_error(command, "%s", err->text);
    wkv_term_error(command, "stopped; %s is as it was", out);
    return WKV_EXIT_INTERRUPT;
}
