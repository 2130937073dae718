/* dev/cpu/gemm.c - see gemm.h. */
#include "dev/cpu/gemm.h"

#include <assert.h>
#include <wkv/version.h>

#include "base/attr.h"
#include "dev/cpu/cpu.h"

/* Rows of a tile come in multiples of this where there are enough. */
enum { ROW_BLOCK = 48, THIN_LEAST = 128, TILE_LEAST = 240, TILE_MOST = 528 };

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
    return is_split(kern, g) ? kern->split_room : 0;
}

static void split(const wkv_kern *kern, const wkv_gemm_args *g, void *room)
{
    kern->gemm_split(g->C, g->A, g->B, g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->trans_a,
                     g->trans_b, g->accumulate, room);
}

#ifdef WKV_HAVE_ONEDNN
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* oneDNN would make a team of its own for each of our threads; OpenMP keeps the number that says
 * how large for each of them. */
static void whole(const wkv_kern *kern, const wkv_gemm_args *g)
{
    (void)kern;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, 1.0f, g->A, g->lda,
               g->B, g->ldb, g->accumulate ? 1.0f : 0.0f, g->C, g->ldc);
    omp_set_num_threads(threads);
}

/* The last rows of a tile, as the end of a block of ROW_BLOCK rows that begins in the rows
 * before them. */
static void last_rows(const wkv_gemm_args *t, int rest)
{
    float block[ROW_BLOCK * TILE_MOST];
    size_t n = (size_t)t->n, ldc = (size_t)t->ldc, bytes = n * sizeof *block;
    wkv_gemm_args b = *t;
    b.A += ((ptrdiff_t)t->m - ROW_BLOCK) * t->lda;
    b.C = block;
    b.ldc = t->n;
    b.m = ROW_BLOCK;
    real *C = t->C + (size_t)(t->m - rest) * ldc;
    float *mine = block + (size_t)(ROW_BLOCK - rest) * n;
    memset(block, 0, ROW_BLOCK * bytes);
    for (size_t r = 0; r < (size_t)rest && t->accumulate; r++)
        memcpy(mine + r * n, C + r * ldc, bytes);
    whole(NULL, &b);
    for (size_t r = 0; r < (size_t)rest; r++)
        memcpy(C + r * ldc, mine + r * n, bytes);
}

/* Where the rows of a product are tokens, what becomes of one must not depend on its place
 * in the batch.  oneDNN sums rows that do not fill its kernel in another order (seen with
 * AVX2 at 8 of 128 rows, with AVX-512 below 40), and never does in multiples of ROW_BLOCK. */
static void in_blocks(const wkv_kern *kern, const wkv_gemm_args *t, int rows)
{
    int rest = t->trans_a || rows < ROW_BLOCK ? 0 : t->m % ROW_BLOCK;
    if (rest > 0)
        last_rows(t, rest);
    wkv_gemm_args blocks = *t;
    blocks.m -= rest;
    if (blocks.m > 0)
        whole(kern, &blocks);
}

bool wkv_onednn_version(int32_t version[3])
{
    const dnnl_version_t *v = dnnl_version();
    version[0] = v->major;
    version[1] = v->minor;
    version[2] = v->patch;
    return true;
}
#else
bool wkv_onednn_version(int32_t version[3])
{
    version[0] = version[1] = version[2] = 0;
    return false;
}

static void whole(const wkv_kern *kern, const wkv_gemm_args *g)
{
    kern->gemm(g->C, g->A, g->B, g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->trans_a, g->trans_b,
               g->accumulate);
}

static void in_blocks(const wkv_kern *kern, const wkv_gemm_args *t, int rows)
{
    (void)rows;
    whole(kern, t);
}
#endif

void wkv_gemm(const wkv_kern *kern, const wkv_gemm_args *g, void *room)
{
    if (is_split(kern, g))
        split(kern, g, room);
    else
        whole(kern, g);
}

/* The sides of tiles: an eighth of the whole, if that keeps a product efficient.  512 x 512
 * reaches what large products do, 256 x 512 some 3 % less, 128 x 128 some 15 %. */
static int tile_side(int n, int grain, int at_least)
{
    int least = (at_least + grain - 1) / grain * grain, most = TILE_MOST / grain * grain;
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
    const int grain = g->trans_a ? 64 : ROW_BLOCK;
    cut c = {.m = tile_side(g->m, grain, g->n <= TILE_LEAST ? THIN_LEAST : TILE_LEAST)};
    c.n = g->m > c.m && g->n > TILE_LEAST ? 512 : tile_side(g->n, 64, TILE_LEAST);
    if (!g->trans_a && g->m <= TILE_MOST && g->n > TILE_LEAST && g->n % THIN_LEAST == 0) {
        c.m = TILE_MOST;
        c.n = tile_side(g->n, THIN_LEAST, THIN_LEAST);
    }
    c.across = (g->n + c.n - 1) / c.n;
    c.tiles = (size_t)((g->m + c.m - 1) / c.m) * (size_t)c.across;
    return c;
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
    if (is_split(kern, g))
        split(kern, &t, room);
    else
        in_blocks(kern, &t, g->m);
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
