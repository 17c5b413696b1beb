/* hadamard.c: the rotation and where its signs come from.
 * R. Paley, "On orthogonal matrices", 1933: from the squares of a field of q elements one gets side q + 1 when
 * q mod 4 = 3, and side 2 (q + 1) when q mod 4 = 1. q may be a prime, its square or its cube: 11008 is 32 times 344,
 * and 343 = 7^3. Products of Hadamard matrices (Kronecker's) are Hadamard matrices. */
#include "kernels/hadamard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MOST = 2048 };     /* sides tried: the signs take at most 4 MiB */

/* ---- Fields ---------------------------------------------------------------------------------------- */

/* GF(p^k), k = 1 to 3: an element is a number below q whose base-p digits are a polynomial's coefficients. */
struct field {
    unsigned p, k, q;
    unsigned rule[3];       /* x^k = rule[0] + rule[1] x + rule[2] x^2 */
};

static bool is_prime(unsigned n)
{
    for (unsigned d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n > 1;
}

static unsigned multiply(const struct field *f, unsigned a, unsigned b)
{
    unsigned x[3] = {0}, y[3] = {0}, product[5] = {0};
    for (unsigned i = 0; i < f->k; i++, a /= f->p, b /= f->p)
        x[i] = a % f->p, y[i] = b % f->p;
    for (unsigned i = 0; i < f->k; i++)
        for (unsigned j = 0; j < f->k; j++)
            product[i + j] += x[i] * y[j];
    for (unsigned i = 2 * f->k - 2; i >= f->k; i--)
        for (unsigned j = 0; j < f->k; j++)
            product[i - f->k + j] += product[i] % f->p * f->rule[j];
    unsigned value = 0;
    for (unsigned i = f->k; i-- > 0;)
        value = value * f->p + product[i] % f->p;
    return value;
}

static unsigned subtract(const struct field *f, unsigned a, unsigned b)
{
    unsigned value = 0, place = 1;
    for (unsigned i = 0; i < f->k; i++, a /= f->p, b /= f->p, place *= f->p)
        value += (a % f->p + f->p - b % f->p) % f->p * place;
    return value;
}

/* A polynomial of degree 2 or 3 is irreducible if it has no root. */
static bool has_root(const struct field *f)
{
    for (unsigned x = 0; x < f->p; x++) {
        unsigned power = 1, sum = 0;
        for (unsigned i = 0; i < f->k; i++, power = power * x % f->p)
            sum += f->rule[i] * power;
        if ((power + f->p * f->p - sum % f->p) % f->p == 0)
            return true;
    }
    return false;
}

static bool find_rule(struct field *f)
{
    for (unsigned trial = 0; trial < f->q; trial++) {
        unsigned rest = trial;
        for (unsigned i = 0; i < f->k; i++, rest /= f->p)
            f->rule[i] = rest % f->p;
        if (f->k == 1 || !has_root(f))
            return true;
    }
    return false;
}

/* The field of q elements, if q is an odd prime, its square or its cube. */
static bool make_field(struct field *f, unsigned q)
{
    for (unsigned k = 1; k <= 3; k++) {
        unsigned p = (unsigned)lround(pow(q, 1.0 / k)), power = p;
        for (unsigned i = 1; i < k; i++)
            power *= p;
        if (power == q && p > 2 && is_prime(p)) {
            *f = (struct field){.p = p, .k = k, .q = q};
            return find_rule(f);
        }
    }
    return false;
}

/* square[a]: 0 for a = 0, 1 for a square, -1 for none. */
static void find_squares(const struct field *f, int8_t *square)
{
    memset(square, -1, f->q);
    square[0] = 0;
    for (unsigned a = 1; a < f->q; a++)
        square[multiply(f, a, a)] = 1;
}

/* ---- Paley ----------------------------------------------------------------------------------------- */

/* The bordered matrix of side q + 1: 0 on the diagonal, +-1 elsewhere. */
static int conference(const struct field *f, const int8_t *square, unsigned i, unsigned j)
{
    if (i == j)
        return 0;
    if (i == 0)
        return 1;
    if (j == 0)
        return f->q % 4 == 3 ? -1 : 1;
    return square[subtract(f, j - 1, i - 1)];
}

/* First kind, side q + 1: the identity is added. */
static void paley_first(const struct field *f, const int8_t *square, int8_t *signs)
{
    unsigned n = f->q + 1;
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++)
            signs[i * n + j] = (int8_t)(i == j ? 1 : conference(f, square, i, j));
}

/* Second kind, side 2 (q + 1): +-1 becomes +-[1 1; 1 -1], 0 becomes [1 -1; -1 -1]. */
static void paley_second(const struct field *f, const int8_t *square, int8_t *signs)
{
    static const int8_t one[2][2] = {{1, 1}, {1, -1}}, zero[2][2] = {{1, -1}, {-1, -1}};
    unsigned n = 2 * (f->q + 1);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < n; j++) {
            int entry = conference(f, square, i / 2, j / 2);
            signs[i * n + j] = (int8_t)(entry ? entry * one[i % 2][j % 2] : zero[i % 2][j % 2]);
        }
    }
}

/* Which field gives a matrix of this side. */
static bool paley_field(struct field *f, size_t side)
{
    if (side % 4 || side > BLOCK_MOST)
        return false;
    unsigned n = (unsigned)side;
    return make_field(f, n - 1) || (n / 2 % 4 == 2 && make_field(f, n / 2 - 1));
}

static enum kernel_status paley(size_t side, int8_t *signs)
{
    struct field f;
    if (!paley_field(&f, side))
        return KERNEL_BAD_SHAPE;
    int8_t *square = malloc(f.q);
    if (!square)
        return KERNEL_NO_MEMORY;
    find_squares(&f, square);
    if (f.q + 1 == side)
        paley_first(&f, square, signs);
    else
        paley_second(&f, square, signs);
    free(square);
    return KERNEL_OK;
}

/* ---- The rotation ---------------------------------------------------------------------------------- */

/* The side of the block for n: 1 if n is a power of two, 0 if nothing is known. The smallest that works. */
static size_t block_side(size_t n)
{
    size_t odd = n;
    struct field f;
    while (odd && odd % 2 == 0)
        odd /= 2;
    if (odd <= 1)
        return odd;
    for (size_t side = 4 * odd; side <= BLOCK_MOST && n % side == 0; side *= 2)
        if (paley_field(&f, side))
            return side;
    return 0;
}

bool hadamard_exists(size_t n)
{
    return block_side(n) > 0;
}

enum kernel_status hadamard_make(struct hadamard *h, size_t n)
{
    size_t side = block_side(n);
    *h = (struct hadamard){.n = n, .block = side, .power = side ? n / side : 0};
    if (!side || n > SIZE_MAX / sizeof(float))
        return KERNEL_BAD_SHAPE;
    h->signs = malloc(side * side);
    h->scratch = malloc(n * sizeof *h->scratch);
    enum kernel_status status = h->signs && h->scratch ? KERNEL_OK : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK && side > 1)
        status = paley(side, h->signs);
    else if (status == KERNEL_OK)
        h->signs[0] = 1;
    if (status != KERNEL_OK)
        hadamard_free(h);
    return status;
}

void hadamard_free(struct hadamard *h)
{
    free(h->signs);
    free(h->scratch);
    *h = (struct hadamard){0};
}

/* x [n] as [power, block]: sums and differences of whole blocks, in log2(power) rounds. */
static void butterflies(float *x, size_t n, size_t block)
{
    for (size_t half = block; half < n; half *= 2) {
        for (size_t first = 0; first < n; first += 2 * half) {
            for (size_t i = first; i < first + half; i++) {
                float a = x[i], b = x[i + half];
                x[i] = a + b;
                x[i + half] = a - b;
            }
        }
    }
}

/* Each block of x times the signs, or times their transpose. */
static void multiply_blocks(const struct hadamard *h, float *x, bool transposed)
{
    size_t side = h->block;
    for (size_t first = 0; first < h->n; first += side) {
        for (size_t j = 0; j < side; j++) {
            double sum = 0;
            for (size_t i = 0; i < side; i++)
                sum += (double)x[first + i] * h->signs[transposed ? j * side + i : i * side + j];
            h->scratch[first + j] = (float)sum;
        }
    }
    memcpy(x, h->scratch, h->n * sizeof *x);
}

static void rotate(const struct hadamard *h, float *x, size_t rows, bool transposed)
{
    const float unit = (float)(1 / sqrt((double)h->n));
    for (size_t row = 0; row < rows; row++, x += h->n) {
        butterflies(x, h->n, h->block);
        if (h->block > 1)
            multiply_blocks(h, x, transposed);
        for (size_t i = 0; i < h->n; i++)
            x[i] *= unit;
    }
}

void hadamard_rotate(const struct hadamard *h, float *x, size_t rows)
{
    rotate(h, x, rows, false);
}

void hadamard_back(const struct hadamard *h, float *x, size_t rows)
{
    rotate(h, x, rows, true);
}

int hadamard_sign(const struct hadamard *h, size_t i, size_t j)
{
    size_t both = (i / h->block) & (j / h->block);
    int sign = h->signs[i % h->block * h->block + j % h->block];
    while (both) {
        sign = -sign;
        both &= both - 1;
    }
    return sign;
}
