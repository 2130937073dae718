/* train/svd.h - the principal singular values of a matrix, with their vectors. */
#ifndef WKV_TRAIN_SVD_H
#define WKV_TRAIN_SVD_H

#include "dev/dev.h"

/* For the k largest singular values s of W (outputs, inputs), of type real: A (k, inputs) =
 * diag(sqrt(s)) V^T and B (outputs, k) = U diag(sqrt(s)), so that B A is the best matrix of rank k
 * next to W.  Where s is 0, B is and A is random.  The same seed gives the same bits, whatever
 * the number of threads.  E_MEMORY. */
wkv_status wkv_svd_principal(const wkv_dev *dev, const wkv_weight *W, int k, uint64_t seed, real *A,
                             real *B, wkv_error *err);

#endif
