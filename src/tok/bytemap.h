/* tok/bytemap.h - the bytes of a token of a byte-level vocabulary.
 *
 * GPT-2 writes each byte as one printable character, so that tokens are text: bytes
 * that are printable in Latin-1 stand for themselves, the other 68 for the characters
 * from U+0100 on, in order.  Space is U+0120, newline U+010A. */
#ifndef WKV_TOK_BYTEMAP_H
#define WKV_TOK_BYTEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Turns n bytes of UTF-8 into the bytes that its characters stand for; out has room for
 * n.  False when one of them stands for none. */
bool wkv_bytemap_decode(const char *s, size_t n, uint8_t *out, size_t *len);

#endif
