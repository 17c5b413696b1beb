/* pool.h: threads that share the tasks of one call.
 * The caller cuts its work into tasks by the work alone, never by the number of threads, and each task writes what no
 * other does; so results have the same bits for any number of threads. Which thread takes which task is not fixed. */
#ifndef KERNELS_POOL_H
#define KERNELS_POOL_H

#include <stddef.h>

#include "kernels/status.h"

enum { POOL_THREADS_MOST = 256 };

struct pool;

/* A pool of `threads` threads, the caller's own counted; 0: as many as processors are allowed to this process.
 * Sleeping threads cost no time. NULL (one thread, or no memory): pool_run then works on the caller's thread alone.
 * If the system gives fewer threads than asked for, there are fewer. */
struct pool *pool_open(int threads);

/* Ends the threads. NULL may be closed. No call may be under way. */
void pool_close(struct pool *pool);

/* Threads that work, the caller's counted; 1 for NULL. */
int pool_threads(const struct pool *pool);

/* Task `task` of a call. Runs in any thread, in the mode of cpu_fp_setup. KERNEL_OK, or what ends the call. Kernels
 * that it calls get NULL or a progress of its own: the tick is for the caller's thread. */
typedef enum kernel_status pool_fn(void *arg, size_t task);

/* Runs fn(arg, 0) to fn(arg, tasks - 1), each once, on the threads of progress->pool, and returns when all have
 * ended. The caller's thread takes tasks too, and ticks between its own; once a tick answers false, or a task fails,
 * no further task starts. Returns KERNEL_OK, KERNEL_CANCELED, or the status of the first failed task by number among
 * those that ran. Inside a task, and while another thread uses the pool, the call works on its own thread alone. */
enum kernel_status pool_run(const struct progress *progress, size_t tasks, pool_fn *fn, void *arg);

#endif
