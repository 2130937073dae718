/* apps/cli/prepare_report.h - what `wkv prepare` says of the data it has written. */
#ifndef WKV_APPS_PREPARE_REPORT_H
#define WKV_APPS_PREPARE_REPORT_H

#include "cli/cli.h"

/* On standard output, for people or as JSON; vocab decodes the samples.  False after a
 * message. */
bool wkv_prepare_print(const wkv_prepare_report *r, const char *prefix, const char *vocab,
                       double seconds, bool json);

#endif
