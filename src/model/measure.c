/* model/measure.c - what the machine can do: bytes read and operations computed in a
 * second.  `wkv bench` sets a model's speed against these.
 *
 * Work is repeated until the time asked for is over, and the best round counts: what
 * disturbs a round only ever makes it slower. */
#include <stdatomic.h>
#include <wkv/unstable.h>

#include "base/attr.h"
#include "base/mem.h"
#include "dev/dev.h"
#include "os/os.h"
#include "os/team.h"

enum {
    READ_BYTES = 1 << 28, /* far more than any cache */
    SLICES = 64,          /* the buffer is read in this many pieces */
    LINE = 8,             /* words of a cache line */
    STREAMS = 4,          /* so many parts of a piece are read side by side, */
    NEAR = 64,            /* so many words ahead, */
    FAR = 512,            /* or in a single stream so many */
    EDGE = 1024,          /* of the matrices of the products, */
    SHORT_EDGE = 256      /* or where such a product takes longer than measuring is to take */
};

/* Reads so many streams side by side, asking for words that come so much later: a single stream of
 * loads leaves the memory idle half of the time.  Integers, so that any order of adding is exact.
 */
WKV_INLINE uint64_t sum_of(const uint64_t *p, size_t n, size_t streams, size_t ahead)
{
    const size_t each = n / streams;
    uint64_t sum[LINE] = {0};
    for (size_t i = 0; i + LINE <= each; i += LINE)
        for (size_t s = 0; s < streams; s++) {
            const uint64_t *line = p + s * each + i;
            WKV_PREFETCH(line + ahead);
            for (size_t j = 0; j < LINE; j++)
                sum[j] += line[j];
        }
    uint64_t total = 0;
    for (size_t j = 0; j < LINE; j++)
        total += sum[j];
    return total;
}

typedef void slice_fn(uint64_t *words, size_t n, uint64_t *sum);

typedef struct slices {
    slice_fn *fn;
    uint64_t *words, sum[SLICES];
} slices;

static void do_slice(void *ctx, int i)
{
    slices *s = ctx;
    const size_t n = READ_BYTES / sizeof *s->words / SLICES;
    s->fn(s->words + (size_t)i * n, n, &s->sum[i]);
}

static void over_slices(wkv_team *team, slices *s, slice_fn *fn)
{
    s->fn = fn;
    wkv_team_run(team, do_slice, s, SLICES);
}

/* Each thread touches first what it will read, so that the memory lies near it. */
static void fill_slice(uint64_t *words, size_t n, uint64_t *sum)
{
    for (size_t i = 0; i < n; i++)
        words[i] = i;
    *sum = 0;
}

static void read_streams(uint64_t *words, size_t n, uint64_t *sum)
{
    *sum += sum_of(words, n, STREAMS, NEAR);
}

static void read_stream(uint64_t *words, size_t n, uint64_t *sum)
{
    *sum += sum_of(words, n, 1, FAR);
}

static double best_bandwidth(wkv_team *team, slices *s, double seconds)
{
    over_slices(team, s, fill_slice);
    double best = 0;
    const double start = wkv_clock();
    double now = start;
    for (int turn = 0; turn < 2 || now - start < seconds; turn++) { /* which is quicker, depends */
        const double before = now;
        over_slices(team, s, turn % 2 == 0 ? read_streams : read_stream);
        now = wkv_clock();
        if (READ_BYTES / (now - before) > best)
            best = READ_BYTES / (now - before);
    }
    /* The sums take part in the result, so that no reading can be left out. */
    uint64_t seen = 0;
    for (int i = 0; i < SLICES; i++)
        seen |= s->sum[i];
    return seen != 0 ? best : 0;
}

double wkv_measure_bandwidth(int threads, double seconds)
{
    double best = 0;
    wkv_team *team = NULL;
    slices s = {.words = wkv_malloc_aligned(READ_BYTES)};
    threads = threads > 0 ? threads : wkv_cpu_count();
    if (s.words != NULL && wkv_team_open(&team, threads, NULL) == WKV_OK) {
        wkv_prefer_large_pages(s.words, READ_BYTES); /* as weights at work have */
        best = best_bandwidth(team, &s, seconds);
    }
    wkv_team_close(&team);
    wkv_free_aligned(s.words);
    return best;
}

/* What the products of a layer work on: square matrices. */
typedef struct matrices {
    real *W, *dW, *in, *y, *din;
    int edge;
} matrices;

/* The three products of training by turns: y = in W^T, din = y W, dW += y^T in. */
static void multiply(wkv_exec *x, const matrices *m, int turn)
{
    wkv_weight w = {.data = m->W, .dtype = WKV_DTYPE_REAL, .rows = m->edge, .cols = m->edge};
    if (turn % 3 == 0)
        x->dev->matmul(x, m->y, m->in, &w, m->edge, false);
    else if (turn % 3 == 1)
        x->dev->matmul_bwd(x, m->din, m->y, m->in, &w, m->edge, false);
    w.grad = m->dW;
    if (turn % 3 == 2)
        x->dev->matmul_bwd(x, NULL, m->y, m->in, &w, m->edge, false);
}

static double operations_of(int edge)
{
    return 2.0 * edge * edge * edge;
}

/* The best rate of any of them: which that is depends on whose products they are. */
static double time_products(wkv_exec *x, const matrices *m, double seconds)
{
    const double operations = operations_of(m->edge);
    double best = 0;
    const double start = wkv_clock();
    double now = start;
    for (int turn = 0; turn == 0 || now - start < seconds; turn++) {
        const double before = now;
        multiply(x, m, turn);
        now = wkv_clock();
        if (operations / (now - before) > best)
            best = operations / (now - before);
    }
    return best;
}

/* Short products are slower, but on a processor that is imitated a long one takes minutes. */
static double best_products(wkv_exec *x, matrices *m, double seconds)
{
    m->edge = SHORT_EDGE;
    const double rate = time_products(x, m, 0);
    if (operations_of(EDGE) / rate < seconds)
        m->edge = EDGE;
    return time_products(x, m, seconds);
}

double wkv_measure_flops(int threads, double seconds)
{
    const size_t n = (size_t)EDGE * EDGE;
    wkv_dev *dev = NULL;
    wkv_arena scratch;
    wkv_arena_measure(&scratch);
    double best = 0;
    real *all = wkv_malloc_aligned(5 * n * sizeof *all);
    if (all == NULL || wkv_dev_open_cpu(&dev, threads, NULL) != WKV_OK)
        goto done;
    for (size_t i = 0; i < 5 * n; i++)
        all[i] = (real)((double)(i % 17) / 17 - 0.5);
    matrices m = {all, all + n, all + 2 * n, all + 3 * n, all + 4 * n, 0};
    wkv_exec x = {.dev = dev, .scratch = &scratch};
    for (int turn = 0; turn < 6; turn++) {
        m.edge = turn < 3 ? EDGE : SHORT_EDGE;
        multiply(&x, &m, turn);
    }
    if (wkv_arena_init(&scratch, scratch.peak))
        best = best_products(&x, &m, seconds);
done:
    wkv_arena_deinit(&scratch);
    wkv_dev_close(&dev);
    wkv_free_aligned(all);
    return best;
}

typedef struct byte_ops {
    double begin, end;
    atomic_ullong rate; /* of all threads together */
} byte_ops;

/* A thread's share; ROUNDS products at a time, so that nobody looks at the clock too often.  Its
 * time begins with that of all: where threads share a core, one waits while another computes. */
static void multiply_bytes(void *ctx, int part)
{
    enum { ROUNDS = 4096 };
    (void)part;
    byte_ops *b = ctx;
    const wkv_kern *kern = wkv_kern_for(wkv_cpu_detect());
    double done = 0, now;
    do {
        int32_t sum;
        done += kern->byte_products(&sum, ROUNDS);
        now = wkv_clock();
    } while (now < b->end);
    atomic_fetch_add(&b->rate, (unsigned long long)(done / (now - b->begin)));
}

double wkv_measure_byte_ops(int threads, double seconds)
{
    enum { TRIES = 4 };
    double best = 0;
    threads = threads > 0 ? threads : wkv_cpu_count();
    for (int i = 0; i < TRIES; i++) {
        byte_ops b = {.begin = wkv_clock()};
        b.end = b.begin + seconds / TRIES;
        wkv_team_once(threads, multiply_bytes, &b, threads);
        const double rate = (double)atomic_load(&b.rate);
        best = rate > best ? rate : best;
    }
    return best;
}

const char *wkv_cpu_name(void)
{
    return wkv_cpu_level_name(wkv_kern_for(wkv_cpu_detect())->level);
}
