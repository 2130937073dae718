/* tok/trie.c - building the double array: sort the entries, walk the sorted list as a
 * trie with an explicit stack, and give each node's children the first place where
 * all of them are free.  Linear in the vocabulary but for the search, which gives up
 * after a fixed number of places, appends, and leaves some of them behind for good, so that no
 * vocabulary is slow or large.
 *
 * Which places are free is kept apart from the nodes, one bit each: the search looks at 64
 * bases at once, and the bits of a whole vocabulary lie in the first cache. */
#include <stdbool.h>

#include "tok/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"

enum {
    FIRST_BASE = 256, /* [0, 256) stays free: leaves point there */
    WINDOW = 64,      /* bases looked at together */
    TRIES = 16,       /* windows */
    ROOM = 257        /* what one node's children may need beyond the end */
};

/* An entry with its first eight bytes as a number whose order is theirs. */
typedef struct key {
    uint64_t prefix;
    const wkv_trie_entry *entry;
} key;

/* The entries [lo, hi) of the sorted list share `depth` bytes, which lead to `node`. */
typedef struct range {
    uint32_t lo, hi, depth, node;
} range;

typedef struct builder {
    wkv_trie_node *nodes;
    uint64_t *used, *bases; /* a bit a place: a node lies there; it is somebody's base */
    size_t full;            /* words of `used` at its beginning where nothing more is looked for */
    size_t size, cap;
    const key *keys;
    range *stack;
    size_t depth; /* ranges on the stack; each holds an entry of its own, so <= n */
} builder;

/* ---- sorting ------------------------------------------------------------------- */

static uint64_t prefix_of(const wkv_trie_entry *e)
{
    const uint32_t n = e->len < 8 ? e->len : 8;
    uint64_t p = 0;
    for (uint32_t i = 0; i < n; i++)
        p = p << 8 | e->bytes[i];
    return p << 8 * (8 - n);
}

static int compare_keys(const void *pa, const void *pb)
{
    const wkv_trie_entry *a = ((const key *)pa)->entry, *b = ((const key *)pb)->entry;
    uint32_t shorter = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, shorter);
    if (order != 0)
        return order;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

/* By prefix with a radix sort, least significant byte first; then each run of equal
 * prefixes, short in any real vocabulary, by the whole entry.  Eight passes are an
 * even number: the result is back in `a`. */
static void sort_keys(key *a, key *b, size_t n)
{
    uint32_t start[8][257] = {0};
    for (size_t i = 0; i < n; i++)
        for (int byte = 0; byte < 8; byte++)
            start[byte][(a[i].prefix >> 8 * byte & 255) + 1]++;
    for (int byte = 0; byte < 8; byte++) {
        for (int d = 0; d < 256; d++)
            start[byte][d + 1] += start[byte][d];
        for (size_t i = 0; i < n; i++)
            b[start[byte][a[i].prefix >> 8 * byte & 255]++] = a[i];
        key *swap = a;
        a = b;
        b = swap;
    }
    for (size_t lo = 0, hi; lo < n; lo = hi) {
        for (hi = lo + 1; hi < n && a[hi].prefix == a[lo].prefix;)
            hi++;
        if (hi - lo > 1)
            qsort(a + lo, hi - lo, sizeof *a, compare_keys);
    }
}

/* ---- places ---------------------------------------------------------------------- */

/* Words for the bits of `places`, and as many beyond as a window may reach over. */
static size_t words(size_t places)
{
    return (places + ROOM) / 64 + 2;
}

/* From `old` elements, none at first, to `count`; the new ones are zero. */
static bool resize(void **p, size_t old, size_t count, size_t size)
{
    char *grown = *p == NULL ? wkv_calloc(count, size) : wkv_realloc(*p, count * size);
    if (grown == NULL)
        return false;
    if (*p != NULL)
        memset(grown + old * size, 0, (count - old) * size);
    *p = grown;
    return true;
}

/* Makes places up to `size` exist and be free. */
static bool reserve(builder *b, size_t size)
{
    if (size > b->cap) {
        const size_t old = b->cap, cap = size + size / 2;
        if (cap > UINT32_MAX || !resize((void **)&b->nodes, old, cap, sizeof *b->nodes) ||
            !resize((void **)&b->used, words(old), words(cap), sizeof *b->used) ||
            !resize((void **)&b->bases, words(old), words(cap), sizeof *b->bases))
            return false;
        b->cap = cap;
    }
    b->size = size > b->size ? size : b->size;
    return true;
}

static void mark(uint64_t *bits, size_t place)
{
    bits[place / 64] |= (uint64_t)1 << (place % 64);
}

/* The 64 bits from `place` on. */
static uint64_t bits_at(const uint64_t *bits, size_t place)
{
    const unsigned shift = place % 64;
    return bits[place / 64] >> shift | bits[place / 64 + 1] << 1 << (63 - shift);
}

/* True when at most two bits of the word are clear: few children fit there, and a search
 * that began there would look in vain again and again. */
static bool is_full(uint64_t used)
{
    uint64_t left = ~used;
    left &= left - 1;
    left &= left - 1;
    return left == 0;
}

/* Moves the beginning of later searches on, by half of what one looks at, after one in vain:
 * else a few words that nothing fits into would hold up all that follow, and each child of a
 * long chain would take a whole ROOM. */
static void skip(builder *b)
{
    const size_t next = b->full + TRIES / 2, last = b->size / 64;
    b->full = next < last ? next : last;
}

/* A base for children under these bytes (ascending), or 0 when out of memory: the lowest
 * from that on which brings the first child to the first word that is not full. */
static uint32_t find_base(builder *b, const uint8_t *bytes, int n)
{
    while (is_full(b->used[b->full]))
        b->full++;
    size_t at = b->full * 64 > FIRST_BASE + 255 ? b->full * 64 - bytes[0] : FIRST_BASE;
    const size_t stop =
        at + (size_t)TRIES * WINDOW < b->size ? at + (size_t)TRIES * WINDOW : b->size;
    size_t base = b->size;
    for (; at < stop; at += WINDOW) {
        uint64_t taken = bits_at(b->bases, at);
        for (int i = 0; i < n && taken != UINT64_MAX; i++)
            taken |= bits_at(b->used, at + bytes[i]);
        if (taken != UINT64_MAX) {
            base = at + WKV_LOWEST_BIT(~taken);
            break;
        }
    }
    if (base == b->size)
        skip(b);
    return reserve(b, base + ROOM) ? (uint32_t)base : 0;
}

/* ---- the walk -------------------------------------------------------------------- */

static uint8_t byte_of(const key *k, uint32_t depth)
{
    return depth < 8 ? (uint8_t)(k->prefix >> (56 - 8 * depth)) : k->entry->bytes[depth];
}

/* Notes the entry that ends at the range's node and takes it out of the range. */
static bool end_entry(builder *b, range *r, int32_t twin[2])
{
    const wkv_trie_entry *e = b->keys[r->lo].entry;
    if (e->len != r->depth)
        return true;
    b->nodes[r->node].tag |= (uint32_t)(e->id + 1) << WKV_TRIE_BYTE_BITS;
    r->lo++;
    if (r->lo == r->hi || b->keys[r->lo].entry->len != r->depth)
        return true;
    twin[0] = e->id;
    twin[1] = b->keys[r->lo].entry->id;
    return false;
}

/* Gives the child under `byte` its place, and its range to the stack unless the child is a
 * leaf. */
static bool put_child(builder *b, range child, uint8_t byte, int32_t twin[2])
{
    mark(b->used, child.node);
    b->nodes[child.node].tag = byte + 1u;
    if (!end_entry(b, &child, twin))
        return false;
    if (child.lo < child.hi)
        b->stack[b->depth++] = child;
    return true;
}

/* Places the children of one range's node. */
static wkv_status expand(builder *b, range r, uint32_t *base_out, int32_t twin[2])
{
    uint8_t bytes[256];
    uint32_t start[257];
    int n = 0;
    for (uint32_t i = r.lo; i < r.hi; i++) {
        uint8_t c = byte_of(&b->keys[i], r.depth);
        if (n == 0 || bytes[n - 1] != c) {
            start[n] = i;
            bytes[n++] = c;
        }
    }
    start[n] = r.hi;
    uint32_t base = find_base(b, bytes, n);
    if (base == 0)
        return WKV_E_MEMORY;
    *base_out = base;
    mark(b->bases, base);
    for (int i = n - 1; i >= 0; i--) {
        range child = {start[i], start[i + 1], r.depth + 1, base + bytes[i]};
        if (!put_child(b, child, bytes[i], twin))
            return WKV_E_FORMAT;
    }
    return WKV_OK;
}

static wkv_status walk(builder *b, size_t n, uint32_t *root, int32_t twin[2])
{
    /* Enough for most vocabularies; of what they do not use, pages are never touched. */
    if (!reserve(b, FIRST_BASE + 2 * n))
        return WKV_E_MEMORY;
    memset(b->used, 255, FIRST_BASE / 8);
    b->size = FIRST_BASE;
    WKV_TRY(expand(b, (range){0, (uint32_t)n, 0, 0}, root, twin));
    while (b->depth > 0) {
        range r = b->stack[--b->depth];
        uint32_t base;
        WKV_TRY(expand(b, r, &base, twin));
        b->nodes[r.node].base = base;
    }
    return WKV_OK;
}

wkv_status wkv_trie_init(wkv_trie *t, const wkv_trie_entry *entries, size_t n, int32_t twin[2])
{
    *t = (wkv_trie){0};
    if (n >= UINT32_MAX)
        return WKV_E_LIMIT;
    builder b = {0};
    key *keys = wkv_calloc(n, 2 * sizeof *keys);
    b.stack = wkv_calloc(n, sizeof *b.stack);
    wkv_status s = WKV_E_MEMORY;
    if (keys != NULL && b.stack != NULL) {
        for (size_t i = 0; i < n; i++)
            keys[i] = (key){prefix_of(&entries[i]), &entries[i]};
        sort_keys(keys, keys + n, n);
        b.keys = keys;
        s = walk(&b, n, &t->root, twin);
    }
    t->nodes = b.nodes;
    t->size = b.size;
    wkv_free(b.used);
    wkv_free(b.bases);
    wkv_free(b.stack);
    wkv_free(keys);
    return s;
}

void wkv_trie_deinit(wkv_trie *t)
{
    wkv_free(t->nodes);
    *t = (wkv_trie){0};
}
