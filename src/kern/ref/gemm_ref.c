/* kern/ref/gemm_ref.c - the matrix product by its definition. */
#include "kern/kern.h"

void wkv_gemm_ref(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                  int ldc, bool trans_a, bool trans_b, bool accumulate, void *room)
{
    (void)room;
    /* Steps in memory from one row (column) of op(A), op(B) to the next. */
    size_t a_row = trans_a ? 1 : (size_t)lda, a_col = trans_a ? (size_t)lda : 1;
    size_t b_row = trans_b ? 1 : (size_t)ldb, b_col = trans_b ? (size_t)ldb : 1;
    for (size_t i = 0; i < (size_t)m; i++)
        for (size_t j = 0; j < (size_t)n; j++) {
            real *c = &C[i * (size_t)ldc + j];
            double sum = accumulate ? (double)*c : 0;
            for (size_t l = 0; l < (size_t)k; l++)
                sum += (double)A[i * a_row + l * a_col] * (double)B[l * b_row + j * b_col];
            *c = (real)sum;
        }
}

void wkv_gemm_split_ref(real *C, const real *A, const real *B, int m, int n, int k, int lda, int ldb,
                        int ldc, bool trans_a, bool trans_b, bool accumulate, void *room)
{
    wkv_gemm_ref(C, A, B, m, n, k, lda, ldb, ldc, trans_a, trans_b, accumulate, room);
}
