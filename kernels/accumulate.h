/* accumulate.h: dot products in accumulators narrower than the sum deserves, emulated bit by bit.
 * Inputs are the values that the multiplier sees (already rounded to E4M3, FP16 ...); products are exact.
 * Every row of the table can be compared with the first one, which is exact to FP64. */
#ifndef KERNELS_ACCUMULATE_H
#define KERNELS_ACCUMULATE_H

#include <stddef.h>
#include <stdint.h>

/* a and b [n]. The sum as this accumulator ends with it. */
typedef double accumulate_fn(const float *a, const float *b, size_t n);

struct accumulator {
    const char    *name;        /* Lua: "acc14" */
    const char    *title;       /* people: "14 bits, as Hopper's FP8 tensor cores" */
    accumulate_fn *dot;
    const char    *function;    /* its name, to show the source */
};

/* Row i of accumulator_count() rows, NULL past the end; the row with this name, or NULL. */
size_t                    accumulator_count(void);
const struct accumulator *accumulator_at(size_t i);
const struct accumulator *accumulator_find(const char *name);

/* INT8 codes into INT32, which wraps around beyond 2^31 as the processor's adder does; and the true sum. */
int32_t accumulate_int32(const int8_t *a, const int8_t *b, size_t n);
int64_t accumulate_int64(const int8_t *a, const int8_t *b, size_t n);

/* The AVX2 way for unsigned times signed bytes: products of neighbors are added in INT16, which saturates;
 * these pairs then go to INT32. n is rounded down to a multiple of 2. */
int32_t accumulate_maddubs(const uint8_t *a, const int8_t *b, size_t n);

#endif
