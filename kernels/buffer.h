/* buffer.h: large aligned memory, in huge pages where the system gives them.
 * A stream over gigabytes in pages of 4 KiB pays for the tables: 10 to 25 % on the machines we tried.
 * Contents start as zeros. */
#ifndef KERNELS_BUFFER_H
#define KERNELS_BUFFER_H

#include <stddef.h>

/* `bytes` of zeros, 64-byte aligned or better; NULL if there is no memory. 0 bytes give a pointer too. Free with
 * buffer_close and the same size. */
void *buffer_open(size_t bytes);
void  buffer_close(void *buffer, size_t bytes);

#endif
