/* tok/trie.c - building the double array: sort the entries, walk the sorted list as a
 * trie with an explicit stack, and give each node's children the first place where
 * all of them are free.  Linear in the vocabulary but for the search, which gives up
 * after a fixed number of places and then appends, so that no vocabulary is slow. */
#include <stdbool.h>

#include "tok/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    FIRST_BASE = 256, /* [0, 256) stays free: leaves point there */
    TRIES = 64,
    ROOM = 257 /* what one node's children may need beyond the end */
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
    uint32_t *next, *prev; /* the free places, in order, as a ring through place 0 */
    uint8_t *base_taken;
    size_t size, cap;
    const key *keys;
    range *stack;
    size_t depth; /* ranges on the stack; each holds an entry of its own, so <= n */
} builder;

/* ---- sorting ------------------------------------------------------------------- */

static uint64_t prefix_of(const wkv_trie_entry *e)
{
    uint64_t p = 0;
    for (uint32_t i = 0; i < 8; i++)
        p = p << 8 | (i < e->len ? e->bytes[i] : 0u);
    return p;
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
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < n; i++)
            start[(a[i].prefix >> shift & 255) + 1]++;
        for (int d = 0; d < 256; d++)
            start[d + 1] += start[d];
        for (size_t i = 0; i < n; i++)
            b[start[a[i].prefix >> shift & 255]++] = a[i];
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

static bool resize(void **p, size_t count, size_t size)
{
    void *grown = wkv_realloc(*p, count * size);
    if (grown == NULL)
        return false;
    *p = grown;
    return true;
}

/* Makes places up to `size` exist and be free. */
static bool reserve(builder *b, size_t size)
{
    if (size <= b->size)
        return true;
    if (size > b->cap) {
        size_t cap = size + size / 2;
        if (cap > UINT32_MAX || !resize((void **)&b->nodes, cap, sizeof *b->nodes) ||
            !resize((void **)&b->next, cap, sizeof *b->next) ||
            !resize((void **)&b->prev, cap, sizeof *b->prev) ||
            !resize((void **)&b->base_taken, cap, sizeof *b->base_taken))
            return false;
        b->cap = cap;
    }
    memset(b->nodes + b->size, 0, (size - b->size) * sizeof *b->nodes);
    memset(b->base_taken + b->size, 0, size - b->size);
    for (size_t i = b->size; i < size; i++) {
        uint32_t place = (uint32_t)i, last = b->prev[0];
        b->prev[place] = last;
        b->next[place] = 0;
        b->next[last] = place;
        b->prev[0] = place;
    }
    b->size = size;
    return true;
}

static bool fits(const builder *b, uint32_t base, const uint8_t *bytes, int n)
{
    if (b->base_taken[base])
        return false;
    for (int i = 0; i < n; i++)
        if (b->nodes[base + bytes[i]].tag != 0)
            return false;
    return true;
}

/* A base for children under these bytes (ascending), or 0 when out of memory. */
static uint32_t find_base(builder *b, const uint8_t *bytes, int n)
{
    uint32_t place = b->next[0];
    for (int t = 0; t < TRIES && place != 0; t++, place = b->next[place]) {
        if (place < (uint32_t)FIRST_BASE + bytes[0])
            continue;
        uint32_t base = place - bytes[0];
        if (!reserve(b, (size_t)base + ROOM))
            return 0;
        if (fits(b, base, bytes, n))
            return base;
    }
    uint32_t base = (uint32_t)b->size;
    return reserve(b, b->size + ROOM) ? base : 0;
}

static void take(builder *b, uint32_t place, uint8_t byte)
{
    b->next[b->prev[place]] = b->next[place];
    b->prev[b->next[place]] = b->prev[place];
    b->nodes[place].tag = byte + 1u;
}

/* ---- the walk -------------------------------------------------------------------- */

/* Places the children of one range's node and pushes their ranges. */
static bool expand(builder *b, range r, uint32_t *base_out)
{
    uint8_t bytes[256];
    uint32_t start[257];
    int n = 0;
    for (uint32_t i = r.lo; i < r.hi; i++) {
        uint8_t c = b->keys[i].entry->bytes[r.depth];
        if (n == 0 || bytes[n - 1] != c) {
            start[n] = i;
            bytes[n++] = c;
        }
    }
    start[n] = r.hi;
    uint32_t base = find_base(b, bytes, n);
    if (base == 0)
        return false;
    *base_out = base;
    b->base_taken[base] = 1;
    for (int i = 0; i < n; i++)
        take(b, base + bytes[i], bytes[i]);
    for (int i = n - 1; i >= 0; i--)
        b->stack[b->depth++] = (range){start[i], start[i + 1], r.depth + 1, base + bytes[i]};
    return true;
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

static wkv_status walk(builder *b, size_t n, uint32_t *root, int32_t twin[2])
{
    /* Place 0 is the ring's head, and the rest of [0, FIRST_BASE) never given away. */
    if (!resize((void **)&b->nodes, ROOM, sizeof *b->nodes) ||
        !resize((void **)&b->next, ROOM, sizeof *b->next) ||
        !resize((void **)&b->prev, ROOM, sizeof *b->prev) ||
        !resize((void **)&b->base_taken, ROOM, sizeof *b->base_taken))
        return WKV_E_MEMORY;
    memset(b->nodes, 0, FIRST_BASE * sizeof *b->nodes);
    memset(b->base_taken, 0, FIRST_BASE);
    b->next[0] = b->prev[0] = 0;
    b->size = FIRST_BASE;
    b->cap = ROOM;

    if (!expand(b, (range){0, (uint32_t)n, 0, 0}, root))
        return WKV_E_MEMORY;
    while (b->depth > 0) {
        range r = b->stack[--b->depth];
        if (!end_entry(b, &r, twin))
            return WKV_E_FORMAT;
        uint32_t base = 0;
        if (r.lo < r.hi && !expand(b, r, &base))
            return WKV_E_MEMORY;
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
    wkv_free(b.next);
    wkv_free(b.prev);
    wkv_free(b.base_taken);
    wkv_free(b.stack);
    wkv_free(keys);
    return s;
}

void wkv_trie_deinit(wkv_trie *t)
{
    wkv_free(t->nodes);
    *t = (wkv_trie){0};
}
