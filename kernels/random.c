/* random.c: Philox4x32-10 and what is drawn from it.
 * J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC11, define the generator and its constants.
 * Everything here runs on the host in FP64; change nothing without a new course version: seeds are stored. */
#include "kernels/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* ---- Philox ---------------------------------------------------------------------------------------- */

void random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;       /* the two multipliers of the paper */
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;                              /* golden ratio */
        k1 += 0xBB67AE85u;                              /* sqrt(3) - 1 */
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void random_block(uint64_t seed, enum random_stream stream, uint64_t block, uint32_t out[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, 0};
    random_philox(key, counter, out);
}

uint32_t random_bits(uint64_t seed, enum random_stream stream, uint64_t i)
{
    uint32_t block[4];
    random_block(seed, stream, i / 4, block);
    return block[i % 4];
}

double random_uniform(uint64_t seed, enum random_stream stream, uint64_t i)
{
    return random_bits(seed, stream, i) * 0x1p-32;
}

/* ---- Values ---------------------------------------------------------------------------------------- */

/* Two normal numbers from two 32-bit ones. The radius takes (0, 1], so that the logarithm is finite. */
static void box_muller(uint32_t a, uint32_t b, double normal[2])
{
    const double turn = 6.283185307179586476925;
    double radius = sqrt(-2 * log((a + 1.0) * 0x1p-32));
    double angle = turn * (b * 0x1p-32);
    normal[0] = radius * cos(angle);
    normal[1] = radius * sin(angle);
}

/* Normal numbers of one stream. */
static void fill_normal(float *x, size_t n, uint64_t seed, enum random_stream stream, double sigma)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t block[4];
        double normal[4];
        random_block(seed, stream, i / 4, block);
        box_muller(block[0], block[1], normal);
        box_muller(block[2], block[3], normal + 2);
        for (size_t j = 0; j < 4 && i + j < n; j++)
            x[i + j] = (float)(sigma * normal[j]);
    }
}

void random_gaussian(float *x, size_t n, uint64_t seed, double sigma)
{
    fill_normal(x, n, seed, STREAM_VALUES, sigma);
}

bool random_correlated(float *x, size_t rows, size_t cols, uint64_t seed, uint64_t law, size_t factors, double noise)
{
    float *mixture = malloc((factors * cols + factors * rows) * sizeof *mixture + 1);
    if (!mixture)
        return false;
    float *factor = mixture + factors * cols;
    fill_normal(mixture, factors * cols, law, STREAM_MIXTURE, factors ? 1 / sqrt((double)factors) : 0);
    fill_normal(factor, factors * rows, seed, STREAM_FACTORS, 1);
    fill_normal(x, rows * cols, seed, STREAM_VALUES, noise);
    for (size_t i = 0; i < rows; i++)
        for (size_t f = 0; f < factors; f++)
            for (size_t j = 0; j < cols; j++)
                x[i * cols + j] += factor[i * factors + f] * mixture[f * cols + j];
    free(mixture);
    return true;
}

size_t random_outliers(float *x, size_t n, uint64_t seed, double fraction, double times)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t block[4];
        random_block(seed, STREAM_OUTLIERS, i / 4, block);
        for (size_t j = 0; j < 4 && i + j < n; j++) {
            if (block[j] * 0x1p-32 >= fraction)
                continue;
            x[i + j] = (float)(x[i + j] * times);
            count++;
        }
    }
    return count;
}

/* ---- Channels -------------------------------------------------------------------------------------- */

/* Selection sampling: each number is taken with probability (still wanted) / (still to come). */
void random_choose(size_t *chosen, size_t count, size_t of, uint64_t seed)
{
    assert(count <= of);
    size_t taken = 0;
    for (size_t i = 0; taken < count; i++)
        if (random_uniform(seed, STREAM_CHANNELS, i) * (double)(of - i) < (double)(count - taken))
            chosen[taken++] = i;
}

void random_outlier_channels(float *x, size_t rows, size_t cols, uint64_t seed,
                             size_t count, double from, double to, size_t *chosen)
{
    size_t here[64];
    if (!chosen) {
        assert(count <= sizeof here / sizeof here[0]);
        chosen = here;
    }
    random_choose(chosen, count, cols, seed);
    for (size_t c = 0; c < count; c++) {
        double times = from + (to - from) * random_uniform(seed, STREAM_CHANNEL_TIMES, c);
        for (size_t row = 0; row < rows; row++)
            x[row * cols + chosen[c]] = (float)(x[row * cols + chosen[c]] * times);
    }
}
