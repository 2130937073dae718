/* train/prep_text.c - see prep.h. */
#include "train/prep.h"

wkv_status wkv_prep_text(wkv_prepare *w, const char *input, const char *text, size_t n, bool last,
                         uint64_t offset, size_t *used, wkv_error *err)
{
    wkv_prep_piece *p = &w->piece[0];
    size_t count = 0, covered;
    p->n = 0;
    do {
        if (!wkv_prep_reserve(p, count > n ? count : n))
            WKV_FAIL(err, WKV_E_MEMORY, "%s: out of memory", input);
        count = wkv_tok_encode_team(w->tok, (const uint8_t *)text, n, last, w->threads, p->ids,
                                    p->room, used, &covered);
    } while (count > p->room);
    if (covered < *used)
        WKV_FAIL(err, WKV_E_TOKEN, "%s: byte 0x%02x at offset %llu is not in the vocabulary", input,
                 (unsigned)(unsigned char)text[covered], (unsigned long long)(offset + covered));
    return wkv_prep_put(w, p->ids, NULL, count, err);
}
