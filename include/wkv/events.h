/* wkv/events.h - scalars over steps, in the event files that TensorBoard reads.
 *
 * An event file is a row of records, only ever appended to; a process that is killed
 * leaves at most its last record unfinished, which readers pass over.  The values that a
 * run writes again after it was resumed replace those of the first time. */
#ifndef WKV_EVENTS_H
#define WKV_EVENTS_H

#include <stdint.h>
#include <wkv/status.h>

WKV_BEGIN

typedef struct wkv_events wkv_events;

/* Creates "events.out.tfevents.<seconds>.wkv" in the folder dir, which must exist; names
 * sort in the order of their times.  Whatever earlier event files there say of steps from
 * first_step on no longer holds.  The caller owns *out; on failure *out is NULL.  E_IO, E_MEMORY.
 */
WKV_API wkv_status wkv_events_open(wkv_events **out, const char *dir, int64_t first_step,
                                   wkv_error *err);

/* Writes one value, timed now; tags with slashes ("loss/train") make groups.  E_ARGUMENT
 * for a tag of over 255 bytes, E_IO when the file cannot be written. */
WKV_API wkv_status wkv_events_scalar(wkv_events *e, const char *tag, int64_t step, double value,
                                     wkv_error *err);

/* Hands what was written to the system, for those who watch. */
WKV_API wkv_status wkv_events_flush(wkv_events *e, wkv_error *err);

WKV_API void wkv_events_close(wkv_events **e); /* frees *e, sets it to NULL */

WKV_END

#endif
