/* kern/simd/blocks.h - what the templates of the matrix-valued recurrences (RWKV-5 to 7)
 * share: the state of a head, S[key][value], taken in blocks of columns.  A block is up to
 * BLOCK vectors wide, which is as many sums as registers hold. */

enum { BLOCK = VF_BLOCK };

/* Calls f for each block of N columns: the first column, the vectors of the block, and the
 * lanes of each.  f is inlined, so that every width gets its own code. */
WKV_INLINE void by_blocks(size_t N, void (*f)(void *ctx, size_t col, size_t J, size_t lanes),
                          void *ctx)
{
    size_t col = 0;
    for (; col + BLOCK * VF_N <= N; col += BLOCK * VF_N)
        f(ctx, col, BLOCK, VF_N);
    for (; col + 2 * VF_N <= N; col += 2 * VF_N)
        f(ctx, col, 2, VF_N);
    for (; col + VF_N <= N; col += VF_N)
        f(ctx, col, 1, VF_N);
    if (col < N)
        f(ctx, col, 1, N - col);
}

/* ---- lines of memory ------------------------------------------------------------------- */

enum { STEPS_AHEAD = 8, LINE = 16 }; /* reals of a line */

/* The rows of a head lie a whole row of activations apart, where the processor does not look for
 * what comes next: it is asked for, some steps early. */
WKV_INLINE void fetch_row(const real *p, size_t N)
{
    for (size_t i = 0; i < N; i += LINE)
        WKV_PREFETCH_FAR(p + i);
}

/* Whether rows of N from p on are whole lines.  These are stored past the caches where nobody reads
 * them soon: the caches need not ask for them first. */
WKV_INLINE bool is_lines(const real *p, size_t N)
{
    return N % LINE == 0 && (uintptr_t)p % (LINE * sizeof *p) == 0;
}

WKV_INLINE void stream_some(real *p, vf v, size_t lanes, bool past)
{
    if (past)
        vf_stream(p, v);
    else
        store_some(p, v, lanes);
}

WKV_INLINE void put_row(real *to, const real *from, size_t N, bool past)
{
    for (size_t i = 0; i < N; i += VF_N)
        stream_some(to + i, load_some(from + i, N - i), N - i, past);
}

/* A block of J vectors; both arrays have rows of N. */
WKV_INLINE void keep_block(real *to, const real *from, size_t N, size_t J, size_t lanes, bool past)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < J; j++)
            stream_some(to + i * N + j * VF_N, load_some(from + i * N + j * VF_N, lanes), lanes,
                        past);
}

/* ---- chunks ----------------------------------------------------------------------------- */

/* The states of one chunk, computed anew: step i of the chunk starts from state_of(q, i),
 * of which the first is the one that was kept. */
typedef struct chunk {
    const real *first;
    real *states; /* states[i] (N, N) */
    int start, len;
} chunk;

static const real *state_of(const chunk *q, int i, size_t N)
{
    return i == 0 ? q->first : q->states + (size_t)i * N * N;
}

/* Chunk n of T steps. */
static chunk chunk_of(const real *keep, real *states, int n, int T, size_t N)
{
    int start = n * WKV_WKV7_CHUNK, left = T - start;
    return (chunk){keep + (size_t)n * N * N, states, start,
                   left < WKV_WKV7_CHUNK ? left : WKV_WKV7_CHUNK};
}

static int count_chunks(int T)
{
    return (T + WKV_WKV7_CHUNK - 1) / WKV_WKV7_CHUNK;
}
