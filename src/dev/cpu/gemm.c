/* dev/cpu/gemm.c - see gemm.h. */
#include "dev/cpu/gemm.h"

#include <assert.h>

#include "base/attr.h"
#include "dev/cpu/cpu.h"

/* Rows of a tile come in multiples of WKV_GEMM_ROWS where there are enough. */
enum { THIN_LEAST = 128, TILE_LEAST = 240 };

/* Columns and terms from which splitting pays: oneDNN is a fifth quicker at 32 columns, slower by a
 * fifth at 64, and level with it at 32 terms. */
enum { SPLIT_COLUMNS = 64, SPLIT_TERMS = 32 };

/* Whether the kernels split the factors of a product.  Never a question of how many rows, where
 * these are tokens: what becomes of one must not depend on what comes with it. */
static bool is_split(const wkv_kern *kern, const wkv_gemm_args *g)
{
    return kern->split_room > 0 && g->n >= SPLIT_COLUMNS &&
           (g->trans_a ? g->m : g->k) >= SPLIT_TERMS;
}

size_t wkv_gemm_room(const wkv_kern *kern, const wkv_gemm_args *g)
{
    return is_split(kern, g) ? kern->split_room : kern->gemm_room;
}

/* The part of g that makes rows [i, i + m) and columns [j, j + n) of C. */
static wkv_gemm_args tile_of(const wkv_gemm_args *g, int i, int j, int m, int n)
{
    wkv_gemm_args t = *g;
    t.m = g->m - i < m ? g->m - i : m;
    t.n = g->n - j < n ? g->n - j : n;
    t.C += (size_t)i * (size_t)g->ldc + (size_t)j;
    t.A += g->trans_a ? (size_t)i : (size_t)i * (size_t)g->lda;
    t.B += g->trans_b ? (size_t)j * (size_t)g->ldb : (size_t)j;
    return t;
}

/* Tile t of g, or all of it: what multiplies it must not depend on the cut. */
static void multiply(const wkv_kern *kern, const wkv_gemm_args *g, const wkv_gemm_args *t,
                     void *room)
{
    const bool own = kern->gemm_fastest || is_split(kern, g);
    const int done = own ? 0 : wkv_onednn_gemm(t, g->m);
    if (done == t->m)
        return;
    const wkv_gemm_args u = tile_of(t, done, 0, t->m - done, t->n);
    (is_split(kern, g) ? kern->gemm_split : kern->gemm)(u.C, u.A, u.B, u.m, u.n, u.k, u.lda, u.ldb,
                                                        u.ldc, u.trans_a, u.trans_b, u.accumulate,
                                                        room);
}

void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g, void *room)
{
    multiply(kern, g, g, room);
}

/* The sides of tiles: an eighth of the whole, if that keeps a product efficient.  512 x 512
 * reaches what large products do, 256 x 512 some 3 % less, 128 x 128 some 15 %. */
static int tile_side(int n, int grain, int at_least)
{
    int least = (at_least + grain - 1) / grain * grain, most = WKV_GEMM_TILE / grain * grain;
    int side = (n / 8 + grain - 1) / grain * grain;
    return side < least ? least : side > most ? most : side;
}

/* How a product is cut. */
typedef struct cut {
    int m, n, across;
    size_t tiles;
} cut;

/* A product of few columns has tiles of fewer rows, or a thread would have most of it; one of
 * few tokens is cut by columns alone, and none is left with fewer, which might be summed in
 * another order. */
static cut cut_of(const wkv_gemm_args *g)
{
    const int grain = g->trans_a ? 64 : WKV_GEMM_ROWS;
    cut c = {.m = tile_side(g->m, grain, g->n <= TILE_LEAST ? THIN_LEAST : TILE_LEAST)};
    c.n = g->m > c.m && g->n > TILE_LEAST ? 512 : tile_side(g->n, 64, TILE_LEAST);
    if (!g->trans_a && g->m <= WKV_GEMM_TILE && g->n > TILE_LEAST && g->n % THIN_LEAST == 0) {
        c.m = WKV_GEMM_TILE;
        c.n = tile_side(g->n, THIN_LEAST, THIN_LEAST);
    }
    c.across = (g->n + c.n - 1) / c.n;
    c.tiles = (size_t)((g->m + c.m - 1) / c.m) * (size_t)c.across;
    return c;
}

/* All products of a call. */
typedef struct products {
    const wkv_gemm_args *g;
    cut cuts[WKV_MAX_PRODUCTS];
    unsigned char *room; /* each a thread */
    size_t each;
} products;

/* Tile `task` of all products.  Inlined into the loop of a thread, it keeps clang 14 busy for ever.
 */
static WKV_NOINLINE void multiply_tile(const wkv_kern *kern, const products *p, size_t task,
                                       void *room)
{
    size_t i = 0;
    for (; task >= p->cuts[i].tiles; i++)
        task -= p->cuts[i].tiles;
    const wkv_gemm_args *g = &p->g[i];
    const cut *c = &p->cuts[i];
    wkv_gemm_args t = tile_of(g, (int)(task / (size_t)c->across) * c->m,
                              (int)(task % (size_t)c->across) * c->n, c->m, c->n);
    multiply(kern, g, &t, room);
}

static void multiply_tiles(const wkv_kern *kern, const void *ctx, wkv_span s)
{
    const products *p = ctx;
    for (size_t i = s.begin; i < s.begin + s.n; i++)
        multiply_tile(kern, p, i, p->room + (size_t)s.part * p->each);
}

void wkv_gemm_parallel(const wkv_exec *x, const wkv_gemm_args *g, int count)
{
    const wkv_kern *kern = x->dev->kern;
    const size_t mark = wkv_arena_mark(x->scratch);
    products p = {.g = g};
    size_t tiles = 0, steps = 0;
    assert(count <= WKV_MAX_PRODUCTS);
    for (int i = 0; i < count; i++) {
        p.cuts[i] = cut_of(&g[i]);
        tiles += p.cuts[i].tiles;
        steps += (size_t)g[i].m * (size_t)g[i].n * (size_t)g[i].k / 16;
        const size_t room = wkv_gemm_room(kern, &g[i]);
        p.each = room > p.each ? room : p.each;
    }
    p.room = wkv_arena_alloc(x->scratch, p.each * (size_t)x->dev->threads);
    if (!wkv_exec_measuring(x))
        wkv_cpu_share(x, multiply_tiles, &p, tiles, 1, steps);
    wkv_arena_reset(x->scratch, mark);
}
