/* move_lanes.h: what the loops of move_avx2.c and move_avx512.c share: a copy for each proportion and way of writing.
 * A file defines move_lines(), the loop over lines, before it includes this. See KERNEL_MOVE in kernel.h. */
#ifndef KERNELS_MOVE_LANES_H
#define KERNELS_MOVE_LANES_H

static ALWAYS_INLINE void move_how(uint8_t *out, const uint8_t *in, size_t steps, const int read, const int written,
                                   enum move how)
{
    switch (how) {
    case MOVE_PLAIN:    move_lines(out, in, steps, read, written, MOVE_PLAIN); break;
    case MOVE_STREAM:   move_lines(out, in, steps, read, written, MOVE_STREAM); break;
    case MOVE_PREFETCH: move_lines(out, in, steps, read, written, MOVE_PREFETCH); break;
    }
}

static ALWAYS_INLINE bool move_any(void *out, const void *in, size_t steps, int read, int written, enum move how)
{
    switch (16 * read + written) {
    case 0x81: move_how(out, in, steps, 8, 1, how); return true;
    case 0x41: move_how(out, in, steps, 4, 1, how); return true;
    case 0x21: move_how(out, in, steps, 2, 1, how); return true;
    case 0x11: move_how(out, in, steps, 1, 1, how); return true;
    case 0x12: move_how(out, in, steps, 1, 2, how); return true;
    case 0x14: move_how(out, in, steps, 1, 4, how); return true;
    case 0x18: move_how(out, in, steps, 1, 8, how); return true;
    default:   return false;
    }
}

#endif
