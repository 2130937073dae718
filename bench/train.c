/* bench/train.c - the speed of training: tokens a second of one shape, as a share of the
 * arithmetic peak that this machine reaches in the same run.
 *
 *   bench_train [NAME=VALUE]...     arch layers width head ctx batch vocab threads steps
 *                                   recompute (0 none, 1 light, 2 full) bf16 (activations)
 *                                   micro profile json scaling
 *
 * The peaks are those of large float32 products, the library's own and oneDNN's of 2048 x 2048
 * matrices, measured between the steps, so that whatever else the machine does hits all.  Counted
 * are 6 operations a token for each weight that products use (3 products of 2 operations each; the
 * embedding does not count, the head does), nothing for the recurrence and the rest.  profile=1
 * prints where the time goes; scaling=1 takes each step with one thread, too, right before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef WKV_HAVE_ONEDNN
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#endif

#include <wkv/unstable.h>

#include "base/mem.h"
#include "base/rng.h"
#include "os/os.h"
#include "timed.h"
#include "train/trainer.h"

typedef struct options {
    wkv_train_opts t;
    int recompute, bf16; /* wkv_train_recompute, wkv_train_activations */
    int profile, json, scaling;
} options;

static void usage(void)
{
    fprintf(stderr, "usage: bench_train [arch=rwkv7] [layers=6] [width=512] [head=64] [ctx=512] "
                    "[batch=8] [vocab=256] [threads=0] [steps=8] [recompute=0] [bf16=0] [micro=0] "
                    "[profile=0] [json=0] [scaling=0]\n");
    exit(2);
}

static void parse(options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        int32_t *value;
    } numbers[] = {
        {"layers", &o->t.layers},     {"width", &o->t.width},       {"head", &o->t.head_size},
        {"ctx", &o->t.ctx},           {"batch", &o->t.batch},       {"vocab", &o->t.vocab_size},
        {"threads", &o->t.threads},   {"profile", &o->profile},     {"json", &o->json},
        {"micro", &o->t.micro_batch}, {"recompute", &o->recompute}, {"bf16", &o->bf16},
        {"scaling", &o->scaling},
    };
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            usage();
        *value++ = '\0';
        bool known = false;
        for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++)
            if (strcmp(argv[i], numbers[j].name) == 0) {
                *numbers[j].value = atoi(value);
                known = true;
            }
        if (strcmp(argv[i], "arch") == 0)
            o->t.arch = value;
        else if (strcmp(argv[i], "steps") == 0)
            o->t.steps = atoi(value);
        else if (!known)
            usage();
    }
    if (o->t.steps < 2)
        usage();
}

/* A text of random bytes: what is learnt does not matter. */
static void write_data(const char *path, size_t n)
{
    FILE *f = fopen(path, "wb");
    wkv_rng rng;
    wkv_rng_seed(&rng, 1);
    for (size_t i = 0; f != NULL && i < n; i++)
        putc((int)(wkv_rng_u64(&rng) & 127), f);
    if (f == NULL || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static double product_weights(const wkv_trainer *t)
{
    double n = 0;
    for (int i = 0; i < wkv_params_count(&t->cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(&t->cfg, i, &layer);
        const wkv_weight *w = wkv_weights_at(&t->weights, &t->cfg, i);
        if (w->data != NULL && (p->kind == WKV_MAT || p->kind == WKV_LOW))
            n += (double)w->rows * w->cols;
    }
    return n;
}

#ifdef WKV_HAVE_ONEDNN
/* Operations a second of oneDNN with its own team, the best of a few products. */
static double onednn_peak(int threads)
{
    enum { SIDE = 2048, TIMES = 8 };
    static real *a, *b, *c;
    if (a == NULL) {
        const size_t n = (size_t)SIDE * SIDE;
        a = wkv_calloc(n, sizeof *a);
        b = wkv_calloc(n, sizeof *b);
        c = wkv_calloc(n, sizeof *c);
        for (size_t i = 0; i < n; i++) {
            a[i] = (real)(i % 17) / 17;
            b[i] = (real)(i % 13) / 13;
        }
    }
    double best = 0;
    omp_set_num_threads(threads);
    for (int i = 0; i < TIMES; i++) {
        double start = wkv_clock();
        dnnl_sgemm('N', 'T', SIDE, SIDE, SIDE, 1, a, SIDE, b, SIDE, 0, c, SIDE);
        double rate = 2.0 * SIDE * SIDE * SIDE / (wkv_clock() - start);
        best = rate > best ? rate : best;
    }
    return best;
}
#else
static double onednn_peak(int threads)
{
    (void)threads;
    return 0;
}
#endif

/* Operations a second of large products: oneDNN's (0 without it), and the library's own. */
typedef struct peaks {
    double onednn, own;
} peaks;

/* The library's own come last: OpenMP's threads still spin when oneDNN's are done. */
static void measure_peaks(peaks *p, int threads)
{
    p->onednn = fmax(p->onednn, onednn_peak(threads));
    p->own = fmax(p->own, wkv_measure_flops(threads, 0.4));
}

typedef struct result {
    peaks peak;
    double seconds; /* of the best step */
    double total;   /* of all measured steps */
} result;

static void must(wkv_status s, const wkv_error *err)
{
    if (s == WKV_OK)
        return;
    fprintf(stderr, "bench_train: %s\n", err->text);
    exit(1);
}

/* Takes a step and returns its seconds.  The first one warms up, and counts nowhere: its memory is
 * touched for the first time. */
static double take(wkv_trainer *t, result *r)
{
    wkv_error err;
    wkv_step step;
    measure_peaks(&r->peak, t->dev->threads);
    must(wkv_trainer_step(t, &step, &err), &err);
    if (step.step == 1) {
        wkv_timed_reset();
        return step.seconds;
    }
    r->total += step.seconds;
    if (r->seconds == 0 || step.seconds < r->seconds)
        r->seconds = step.seconds;
    return step.seconds;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Steps of one thread and of all in turns, so that what slows the machine for a while slows both of
 * a pair. */
static void scale(wkv_trainer *one, wkv_trainer *all, int64_t steps)
{
    result r[2] = {{.seconds = 0}, {.seconds = 0}};
    double *ratio = wkv_calloc((size_t)steps, sizeof *ratio);
    if (ratio == NULL)
        exit(1);
    printf("  1 thread  %3d threads\n", all->dev->threads);
    for (int64_t i = -1; i < steps - 1; i++) {
        const double a = take(one, &r[0]), b = take(all, &r[1]);
        if (i < 0)
            continue;
        ratio[i] = a / b;
        printf("%8.3f s   %8.3f s   %.2f times\n", a, b, ratio[i]);
        fflush(stdout);
    }
    const size_t n = (size_t)steps - 1;
    qsort(ratio, n, sizeof *ratio, by_size);
    printf("median        %.2f times\n", (ratio[(n - 1) / 2] + ratio[n / 2]) / 2);
    printf("best steps    %.2f times\n", r[0].seconds / r[1].seconds);
    printf("products alone, at best: our own %.2f times", r[1].peak.own / r[0].peak.own);
    if (r[0].peak.onednn > 0)
        printf(", oneDNN's %.2f", r[1].peak.onednn / r[0].peak.onednn);
    putchar('\n');
    wkv_free(ratio);
}

static void report(const options *o, const wkv_trainer *t, const result *r)
{
    double tokens = (double)o->t.ctx * o->t.batch, rate = tokens / r->seconds;
    double flops = 6 * product_weights(t) * rate;
    if (o->json) {
        printf("{\"tokens_per_s\": %.1f, \"flops\": %.4g, \"peak_onednn\": %.4g, "
               "\"peak_own\": %.4g, \"threads\": %d}\n",
               rate, flops, r->peak.onednn, r->peak.own, t->dev->threads);
        return;
    }
    printf("%s L%d C%d ctx %d batch %d V%d, %d threads, %s\n", o->t.arch, (int)o->t.layers,
           (int)o->t.width, (int)o->t.ctx, (int)o->t.batch, t->cfg.dim[WKV_DIM_V], t->dev->threads,
           wkv_cpu_name());
    printf("step          %.3f s (best), %.1f tokens/s\n", r->seconds, rate);
    wkv_train_memory m;
    wkv_trainer_memory(t, &m);
    printf("memory        %.3f GB at most, %.3f foreseen\n", 1e-9 * (double)m.peak,
           1e-9 * (double)m.total);
    printf("products      %.1f GFLOP/s, %.1f %% of our own %.1f at best\n", 1e-9 * flops,
           100 * flops / r->peak.own, 1e-9 * r->peak.own);
    if (r->peak.onednn > 0)
        printf("              %.1f %% of oneDNN's %.1f\n", 100 * flops / r->peak.onednn,
               1e-9 * r->peak.onednn);
    if (o->profile)
        wkv_timed_print((int)o->t.steps - 1, r->total);
}

static void open_trainer(wkv_trainer **t, wkv_train_opts o, int threads)
{
    wkv_error err;
    o.threads = threads;
    must(wkv_trainer_open(t, &o, &err), &err);
}

int main(int argc, char **argv)
{
    options o = {0};
    wkv_train_opts_init(&o.t);
    o.t.layers = 6;
    o.t.width = 512;
    o.t.head_size = 64;
    o.t.ctx = 512;
    o.t.batch = 8;
    o.t.vocab_size = 256;
    o.t.steps = 8;
    o.t.lr = 1e-4;
    parse(&o, argc, argv);
    o.t.recompute = (wkv_train_recompute)o.recompute;
    o.t.activations = (wkv_train_activations)o.bf16;

    char path[] = "/tmp/bench_train.XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0) {
        perror(path);
        return 1;
    }
    write_data(path, 4 * (size_t)o.t.ctx * (size_t)o.t.batch + 1);
    o.t.data = path;
    wkv_trainer *t, *one = NULL;
    open_trainer(&t, o.t, o.t.threads);
    if (o.scaling)
        open_trainer(&one, o.t, 1);
    unlink(path);
    wkv_dev timed = wkv_timed_dev(t->dev);
    if (o.profile)
        t->work.dev = t->optim.dev = &timed;
    if (o.scaling) {
        scale(one, t, o.t.steps);
    } else {
        result r = {0};
        for (int64_t i = 0; i < o.t.steps; i++)
            take(t, &r);
        report(&o, t, &r);
    }
    wkv_trainer_close(&one);
    wkv_trainer_close(&t);
    return 0;
}
