/* gpu_pack.cu: codes as an encoder leaves them to the records that products read.
 * Done once for a weight matrix, so that nothing has to be shuffled when it is multiplied.
 * What goes where is gpu_slice.cuh's and, within a word, gpu_words.cuh's business. */
#include <string.h>

#include "kernels/gpu_module.cuh"
#include "kernels/gpu_slice.cuh"

struct packing {
    uint8_t *records;
    const void *codes, *scales;
    int rows, cols, chunks, tiles, bits, group, scale_bytes, record, offset;     /* offset: added to codes of int4 */
};

static __device__ uint32_t code_at(const struct packing &p, int row, int col)
{
    if (row >= p.rows || col >= p.cols)
        return 0;
    size_t i = (size_t)row * p.cols + col;
    return p.bits == 16 ? ((const uint16_t *)p.codes)[i] : ((const uint8_t *)p.codes)[i];
}

/* Where a word of a tile is: its first row, its first column, its lane. */
struct place {
    int row, col, lane;
};

/* Value i of instruction m, in row g or g + 8 of the tile, for a lane (g, t). */
static __device__ uint32_t value_at(const struct packing &p, const struct place &at, int m, int half, int i)
{
    uint32_t code = code_at(p, at.row + at.lane / 4 + 8 * half, at.col + column_of(m, at.lane % 4, i));
    return p.bits == 4 ? (code + p.offset) & 15 : code;
}

/* The 32-bit word `w` of a lane, counted over the whole tile. */
static __device__ uint32_t word_at(const struct packing &p, const struct place &at, int w)
{
    uint32_t word = 0;
    if (p.bits == 16) {                     /* register w % 4 of instruction w / 4 */
        int half = w % 2, i = w % 4 / 2 * 2;
        return value_at(p, at, w / 4, half, i) | value_at(p, at, w / 4, half, i + 1) << 16;
    }
    if (p.bits == 8) {                      /* bytes 0 and 2 are one register, 1 and 3 the next */
        for (int b = 0; b < 4; b++)
            word |= value_at(p, at, w / 2, b % 2, w % 2 * 2 + b / 2) << 8 * b;
        return word;
    }
    for (int n = 0; n < 8; n++) {           /* registers 0 to 3, low half and high half */
        uint32_t code = value_at(p, at, w, n % 2, n % 4 / 2 * 2 + n / 4);
        word |= p.group == 128 ? code << 4 * n : e2m1_place(code, n % 4) << n / 4 * 16;
    }
    return word;
}

/* Byte b of the scales of a tile. */
static __device__ uint8_t scale_byte(const struct packing &p, const struct place &at, int b)
{
    int row, group, byte = 0;
    if (p.group == 128) {                   /* FP16; rows g and g + 8 of a lane are neighbors */
        row = b / 4 + b % 4 / 2 * 8;
        group = 0;
        byte = b % 2;
    } else if (p.group == 32) {             /* the same, four scales a row */
        row = b / 8 + b % 8 / 4 * 8;
        group = b % 4;
    } else {                                /* the same for each half of the columns that a lane sees */
        row = b / 16 + b % 8 / 4 * 8;
        group = b % 4 * 2 + b / 8 % 2;
    }
    row += at.row;
    group += at.col / p.group;
    int groups = (p.cols + p.group - 1) / p.group;
    if (row >= p.rows || group >= groups)
        return 0;
    return ((const uint8_t *)p.scales)[((size_t)row * groups + group) * p.scale_bytes + byte];
}

/* One thread a word of 32 bits. A slice: the codes of its first tile, of its second, the scales of both by turns. */
static __global__ void pack_records(struct packing p)
{
    const int columns = columns_of(p.bits), slices = GPU_CHUNK / columns, words = p.record / 4 / slices;
    const int codes = columns * p.bits / 2;                                             /* words of a tile's codes */
    const int chunks = p.chunks * slices, unit = p.group == 128 ? 1 : 2;                /* words of a lane's scales */
    const size_t count = (size_t)p.tiles * chunks * words;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
        const int word = (int)(i % words), chunk = (int)(i / words % chunks), tile = (int)(i / words / chunks);
        const int scale = word - 2 * codes, half = scale < 0 ? word / codes : scale / unit % 2;
        const int w = scale < 0 ? word % codes : scale / (2 * unit) * unit + scale % unit;
        const struct place at = {tile * GPU_TILE + half * 16, chunk * columns, w / 4 % 32};
        uint32_t v = 0;
        if (scale < 0)                      /* 16 bytes a lane, then the next 16 of the first lane */
            v = word_at(p, at, w / 128 * 4 + w % 4);
        else
            for (int b = 0; b < 4; b++)
                v |= (uint32_t)scale_byte(p, at, w * 4 + b) << 8 * b;
        ((uint32_t *)p.records)[i] = v;
    }
}

static enum kernel_status launch_pack(struct gpu *g, const void *work)
{
    const struct gpu_pack *k = (const struct gpu_pack *)work;
    const struct gpu_layout *l = k->w->layout;
    struct packing p = {k->w->records, k->codes, k->scales, k->w->rows, k->w->cols, (int)gpu_chunks(k->w),
                        (int)gpu_tiles(k->w), l->bits, l->group, l->scale_bytes, (int)l->record,
                        strcmp(l->format, "int4") == 0 ? 8 : 0};
    size_t words = gpu_weights_bytes(k->w) / 4;
    if (words == 0)
        return KERNEL_OK;
    pack_records<<<gpu_blocks(g, words, 256, 256, 4), 256, 0, g->stream>>>(p);
    return gpu_launched(g, "pack_records");
}

const struct gpu_kernel gpu_pack_rows[] = {
    {GPU_PACK, NULL, NULL, 80, 0, launch_pack, "pack_records", "kernels/gpu_pack.cu"},
    {},
};
