/* tok/trie.h - the longest vocabulary entry at a place in a text.
 *
 * A byte trie laid out as a double array (Aoe, 1989): the child of a node under byte
 * c sits at nodes[base + c], eight bytes each, and its tag says whose child it is.
 * No two nodes share a base, so the byte alone identifies the parent.  A step is one
 * load and one comparison; the whole World vocabulary takes about a megabyte. */
#ifndef WKV_TOK_TRIE_H
#define WKV_TOK_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wkv_trie_node {
    uint32_t base; /* where children lie; 0, where nothing ever lies, in a leaf */
    uint32_t tag;  /* 0: free.  Else byte + 1 in the low 9 bits, id + 1 (or 0) above */
} wkv_trie_node;

enum { WKV_TRIE_BYTE_BITS = 9, WKV_TRIE_MAX_ID = (1 << 22) - 1 };

typedef struct wkv_trie {
    wkv_trie_node *nodes; /* base + 255 is in range for every base */
    size_t size;
    uint32_t root; /* base of the root */
} wkv_trie;

/* One entry of a vocabulary; bytes stay the caller's. */
typedef struct wkv_trie_entry {
    const uint8_t *bytes;
    uint32_t len; /* >= 1 */
    int32_t id;   /* in [0, WKV_TRIE_MAX_ID] */
} wkv_trie_entry;

/* Builds the trie of n >= 1 entries.  When two hold the same bytes, E_FORMAT, and their
 * ids, lower first, are in twin[2]; err is then left to the caller.  Release with deinit
 * in every case. */
wkv_status wkv_trie_init(wkv_trie *t, const wkv_trie_entry *entries, size_t n, int32_t twin[2]);
void wkv_trie_deinit(wkv_trie *t);

/* The id of the longest entry that text (n >= 1 bytes) begins with, its length in *len;
 * -1 and *len = 0 when there is none. */
static inline int32_t wkv_trie_match(const wkv_trie *t, const uint8_t *text, size_t n, size_t *len)
{
    const wkv_trie_node *nodes = t->nodes;
    uint32_t base = t->root, id = 0;
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = text[i];
        wkv_trie_node node = nodes[base + c];
        if ((node.tag & ((1u << WKV_TRIE_BYTE_BITS) - 1)) != c + 1)
            break;
        uint32_t found = node.tag >> WKV_TRIE_BYTE_BITS;
        id = found != 0 ? found : id;
        end = found != 0 ? i + 1 : end;
        base = node.base;
    }
    *len = end;
    return (int32_t)id - 1;
}

#endif
