/* tests/support/pieces.h - files of random tensors: adapters and initial states of any shape, as
 * other programs write them. */
#ifndef WKV_TESTS_PIECES_H
#define WKV_TESTS_PIECES_H

#include <stdint.h>

typedef struct pieces pieces;

pieces *pieces_begin(uint64_t seed);
/* The tensors that follow are those of another seed. */
void pieces_seed(pieces *p, uint64_t seed);

/* A tensor of up to three dimensions (0: not there), `scale` times standard normal. */
void pieces_put(pieces *p, const char *name, int64_t d0, int64_t d1, int64_t d2, double scale);

/* Low-rank factors, called <matrix>.A and .B, of every second matrix of a model's file. */
void pieces_put_factors(pieces *p, const char *model, const char *A, const char *B, int rank,
                        double scale);

/* All tensors of a model's file, as f64, which nothing reads in place. */
void pieces_put_model(pieces *p, const char *model);

/* Writes and frees them; the format by the suffix.  dtype of the matrices: NULL is f32; alpha:
 * NULL, or what the metadata say of it. */
void pieces_finish(pieces *p, const char *path, const char *dtype, const char *alpha);

#endif
