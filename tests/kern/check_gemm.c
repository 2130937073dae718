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
    if (pick(c, 0, 3) == 0)
        p.k += 500; /* beyond what one packed block holds */
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

typedef void (*gemm)(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                     int ldc, bool trans_a, bool trans_b, bool accumulate);

static void multiply(gemm f, real *C, const real *A, const real *B, const product *p)
{
    f(C, A, B, p->m, p->n, p->k, p->lda, p->ldb, p->ldc, p->trans_a, p->trans_b, p->accumulate);
}

static void multiply_checked(check *c, real *C, const real *A, const real *B, const product *p,
                             void *room)
{
    if (room == NULL)
        multiply(c->k->gemm, C, A, B, p);
    else
        c->k->gemm_split(C, A, B, p->m, p->n, p->k, p->lda, p->ldb, p->ldc, p->trans_a, p->trans_b,
                         p->accumulate, room);
}

/* room: NULL for gemm, gemm_split's otherwise. */
static void check_product(check *c, void *room)
{
    product p = draw(c);
    const real *start = input_of(c, p.size_c, NORMAL);
    real *want = inout(c, start, p.size_c), *got = inout(c, start, p.size_c);
    real *magnitude = absolute(c, start, p.size_c);
    multiply(wkv_gemm_ref, want, p.A, p.B, &p);
    multiply(wkv_gemm_ref, magnitude, absolute(c, p.A, p.size_a), absolute(c, p.B, p.size_b), &p);
    multiply_checked(c, got, p.A, p.B, &p, room);
    if (room != NULL && c->kind == DENORMAL)
        within_bound("C", got, want, p.size_c, (p.accumulate ? 1e-5 : 0) + 1e-30 * p.k);
    else
        within_sum("C", got, want, magnitude, p.size_c, 8 + sqrt((double)p.k));

    size_t row = (size_t)p.m - 1, col = (size_t)p.n - 1, at = row * (size_t)p.ldc + col;
    product one = p;
    one.m = one.n = 1;
    real *alone = inout(c, start + at, 1);
    multiply_checked(c, alone, p.A + row * (p.trans_a ? 1 : (size_t)p.lda),
                     p.B + col * (p.trans_b ? (size_t)p.ldb : 1), &one, room);
    same("an element alone", alone, got + at, 1);
}

void check_gemm(check *c)
{
    if (c->kind != EXTREME)
        check_product(c, NULL);
}

void check_gemm_split(check *c)
{
    if (c->kind != EXTREME)
        check_product(c, bytes(c, c->k->split_room + 1));
}
