/* hadamard.h: the orthonormal Hadamard rotation of rows, for any size with a known factor.
 * H of side n is Sylvester's of side 2^a times Paley's of the smallest side that n / 2^a needs; entries are
 * +-1/sqrt(n). x H then w H have the same products as x and w: rotation moves no output, only where the large values
 * sit. */
#ifndef KERNELS_HADAMARD_H
#define KERNELS_HADAMARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/status.h"

struct hadamard {
    size_t   n;             /* side: power * side of the block */
    size_t   power;         /* a power of two, by butterflies; 1: none */
    size_t   block;         /* side of the +-1 matrix; 1: none */
    int8_t  *signs;         /* [block, block] */
    float   *scratch;       /* [n] */
};

/* True if a rotation of side n is known: 1, 2, and multiples of 4 that split as the file's head says. */
bool hadamard_exists(size_t n);

/* Makes the rotation of side n. KERNEL_BAD_SHAPE if none is known. Free with hadamard_free. */
enum kernel_status hadamard_make(struct hadamard *h, size_t n);
void hadamard_free(struct hadamard *h);

/* Each row of x [rows, n] becomes row times H; back: row times H transposed, which undoes it. In place, FP32. */
void hadamard_rotate(const struct hadamard *h, float *x, size_t rows);
void hadamard_back(const struct hadamard *h, float *x, size_t rows);

/* Entry (i, j) of H times sqrt(n): 1 or -1. For tests and pictures. */
int hadamard_sign(const struct hadamard *h, size_t i, size_t j);

#endif
