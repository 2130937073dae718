/* tok/nfc.h - Unicode's composed normal form, in which some vocabularies were trained.
 * A build without utf8proc leaves text as it is; most text is composed already. */
#ifndef WKV_TOK_NFC_H
#define WKV_TOK_NFC_H

#include <stddef.h>
#include <stdint.h>

enum { WKV_NFC_GROWTH = 3 }; /* no text grows by more than this factor */

/* The normal form of n bytes of valid UTF-8 in *len bytes: `text` itself, when that is
 * found to be normal without looking closely, or else `out`, which has room for
 * WKV_NFC_GROWTH * n. */
const uint8_t *wkv_nfc(const uint8_t *text, size_t n, uint8_t *out, size_t *len);

#endif
