/* tests/kern/check_gemm.c - the matrix product in all its forms: either factor
 * transposed, rows apart, overwriting or adding; one element alone equals itself in the
 * whole. */
#include <math.h>

#include "checkkern.h"

typedef struct product {
    const real *A, *B;
    int m, n, k, lda, ldb, ldc;
    bool trans_a, trans_b, accumulate;
    size_t size_a, size_b, size_c;
} product;

static product draw(check *c)
{
    product p = {.m = pick(c, 1, 40),
                 .n = (int)c->n,
                 .k = pick(c, 1, 80),
                 .trans_a = pick(c, 0, 1),
                 .trans_b = pick(c, 0, 1),
                 .accumulate = pick(c, 0, 1)};
    /* Beyond what is packed at a time. */
    switch (pick(c, 0, 15)) {
    case 0:
        p.m += 280;
        break;
    case 1:
        p.n += 600;
        break;
    default:
        p.k += pick(c, 0, 3) == 0 ? 500 : 0;
    }
    p.lda = (p.trans_a ? p.m : p.k) + pick(c, 0, 2);
    p.ldb = (p.trans_b ? p.k : p.n) + pick(c, 0, 2);
    p.ldc = p.n + pick(c, 0, 2);
    p.size_a = (size_t)((p.trans_a ? p.k : p.m) * p.lda);
    p.size_b = (size_t)((p.trans_b ? p.n : p.k) * p.ldb);
    p.size_c = (size_t)(p.m * p.ldc);
    p.A = input(c, p.size_a);
    p.B = input_of(c, p.size_b, NORMAL);
    return p;
}

typedef __typeof__(((wkv_kern *)0)->gemm) gemm;

static void multiply(gemm f, real *C, const real *A, const real *B, const product *p, void *room)
{
    f(C, A, B, p->m, p->n, p->k, p->lda, p->ldb, p->ldc, p->trans_a, p->trans_b, p->accumulate,
      room);
}

/* Denormal numbers may lose bits where `splits`. */
static void check_product(check *c, gemm f, size_t room_size, bool splits)
{
    void *room = bytes(c, room_size + 1);
    product p = draw(c);
    const real *start = input_of(c, p.size_c, NORMAL);
    real *want = inout(c, start, p.size_c), *got = inout(c, start, p.size_c);
    real *magnitude = absolute(c, start, p.size_c);
    multiply(wkv_gemm_ref, want, p.A, p.B, &p, NULL);
    multiply(wkv_gemm_ref, magnitude, absolute(c, p.A, p.size_a), absolute(c, p.B, p.size_b), &p,
             NULL);
    multiply(f, got, p.A, p.B, &p, room);
    if (splits && c->kind == DENORMAL)
        within_bound("C", got, want, p.size_c, (p.accumulate ? 1e-5 : 0) + 1e-30 * p.k);
    else
        within_sum("C", got, want, magnitude, p.size_c, 8 + sqrt((double)p.k));

    size_t row = (size_t)p.m - 1, col = (size_t)p.n - 1, at = row * (size_t)p.ldc + col;
    product one = p;
    one.m = one.n = 1;
    real *alone = inout(c, start + at, 1);
    multiply(f, alone, p.A + row * (p.trans_a ? 1 : (size_t)p.lda),
             p.B + col * (p.trans_b ? (size_t)p.ldb : 1), &one, room);
    same("an element alone", alone, got + at, 1);
}

void check_gemm(check *c)
{
    if (c->kind != EXTREME)
        check_product(c, c->k->gemm, c->k->gemm_room, false);
}

void check_gemm_split(check *c)
{
    if (c->kind != EXTREME)
        check_product(c, c->k->gemm_split, c->k->split_room, c->k->split_room > 0);
}
