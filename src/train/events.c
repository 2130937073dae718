/* train/events.c - TensorBoard's event files.
 *
 * A record is its length (8 bytes), a checksum of those, the bytes, a checksum of them;
 * the bytes are an Event of TensorFlow's event.proto in protocol buffers' wire format, of
 * which a writer needs four forms: varint, double, float, and bytes with their length.
 * The checksum is CRC-32C, rotated and moved ("masked") so that a record may hold
 * checksums itself. */
#include <wkv/events.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "os/os.h"

enum { TAG_MAX = 255, EVENT_MAX = 2 * TAG_MAX, PATH_BYTES = 4096 };

/* The fields that are written, and protocol buffers' wire types. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { EVENT_SESSION_LOG = 7, SESSION_STATUS = 1, SESSION_START = 1 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct wkv_events {
    FILE *file;
    char path[PATH_BYTES];
};

/* A message that is being built; its size is bounded by TAG_MAX. */
typedef struct message {
    uint8_t data[EVENT_MAX];
    size_t n;
} message;

static void put_little(message *m, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        m->data[m->n++] = (uint8_t)(v >> (8 * i));
}

static void put_varint(message *m, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        m->data[m->n++] = (uint8_t)(v | 128);
    m->data[m->n++] = (uint8_t)v;
}

static void put_key(message *m, int field, int wire)
{
    put_varint(m, (uint64_t)(field << 3 | wire));
}

static void put_bytes(message *m, int field, const void *data, size_t n)
{
    put_key(m, field, BYTES);
    put_varint(m, n);
    memcpy(m->data + m->n, data, n);
    m->n += n;
}

static message event_of(int64_t step)
{
    message m = {.n = 0};
    double now = wkv_wall_clock();
    uint64_t bits;
    memcpy(&bits, &now, sizeof bits);
    put_key(&m, EVENT_WALL_TIME, FIXED64);
    put_little(&m, bits, 8);
    put_key(&m, EVENT_STEP, VARINT);
    put_varint(&m, (uint64_t)step);
    return m;
}

static uint32_t masked_crc(const void *data, size_t n)
{
    uint32_t crc = wkv_crc32c(0, data, n);
    return ((crc >> 15) | (crc << 17)) + UINT32_C(0xa282ead8);
}

static wkv_status failed(const wkv_events *e, wkv_error *err)
{
    WKV_FAIL(err, WKV_E_IO, "%s: cannot write: %s", e->path, strerror(errno));
}

static wkv_status write_record(wkv_events *e, const message *m, wkv_error *err)
{
    message head = {.n = 0}, tail = {.n = 0};
    put_little(&head, m->n, 8);
    put_little(&head, masked_crc(head.data, head.n), 4);
    put_little(&tail, masked_crc(m->data, m->n), 4);
    if (fwrite(head.data, head.n, 1, e->file) == 1 && fwrite(m->data, m->n, 1, e->file) == 1 &&
        fwrite(tail.data, tail.n, 1, e->file) == 1)
        return WKV_OK;
    return failed(e, err);
}

/* The version, which must come first, and the mark that later steps begin again here. */
static wkv_status begin(wkv_events *e, int64_t first_step, wkv_error *err)
{
    static const char version[] = "brain.Event:2";
    message m = event_of(0), log = {.n = 0};
    put_bytes(&m, EVENT_FILE_VERSION, version, sizeof version - 1);
    WKV_TRY(write_record(e, &m, err));
    m = event_of(first_step);
    put_key(&log, SESSION_STATUS, VARINT);
    put_varint(&log, SESSION_START);
    put_bytes(&m, EVENT_SESSION_LOG, log.data, log.n);
    WKV_TRY(write_record(e, &m, err));
    return wkv_events_flush(e, err);
}

wkv_status wkv_events_open(wkv_events **out, const char *dir, int64_t first_step, wkv_error *err)
{
    *out = NULL;
    wkv_events *e = wkv_calloc(1, sizeof *e);
    if (e == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory for an event file", dir);
    int n = wkv_number_print(e->path, PATH_BYTES, "%s/events.out.tfevents.%.6f.wkv", dir,
                             wkv_wall_clock());
    errno = ENAMETOOLONG;
    e->file = n > 0 && n < PATH_BYTES ? fopen(e->path, "wbx") : NULL;
    wkv_status s = e->file != NULL ? begin(e, first_step, err) : failed(e, err);
    if (s == WKV_OK)
        *out = e;
    else
        wkv_events_close(&e);
    return s;
}

wkv_status wkv_events_scalar(wkv_events *e, const char *tag, int64_t step, double value,
                             wkv_error *err)
{
    size_t n = strlen(tag);
    message m = event_of(step), summary = {.n = 0}, v = {.n = 0};
    float narrow = (float)value;
    uint32_t bits;
    if (n > TAG_MAX)
        WKV_FAIL(err, WKV_E_ARGUMENT, "a tag of %zu bytes, expected at most %d", n, TAG_MAX);
    memcpy(&bits, &narrow, sizeof bits);
    put_bytes(&v, VALUE_TAG, tag, n);
    put_key(&v, VALUE_SIMPLE, FIXED32);
    put_little(&v, bits, 4);
    put_bytes(&summary, SUMMARY_VALUE, v.data, v.n);
    put_bytes(&m, EVENT_SUMMARY, summary.data, summary.n);
    return write_record(e, &m, err);
}

wkv_status wkv_events_flush(wkv_events *e, wkv_error *err)
{
    return fflush(e->file) == 0 ? WKV_OK : failed(e, err);
}

void wkv_events_close(wkv_events **e)
{
    if (*e == NULL)
        return;
    if ((*e)->file != NULL)
        fclose((*e)->file);
    wkv_free(*e);
    *e = NULL;
}
