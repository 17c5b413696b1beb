/* pool.c: threads that share the tasks of one call. See pool.h for why results do not depend on their number.
 * A call is a struct run on the caller's stack. Tickets say how many sleeping threads may still join it; a thread that
 * wakes when they are gone sleeps again, so that a call never waits for a thread that has not begun. */
#include "kernels/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels/cpu.h"

enum { STACK_BYTES = 1 << 20 };     /* of a worker: kernels keep little there, and limits on data count it */

struct run {
    pool_fn            *fn;
    void               *arg;
    size_t              tasks;
    atomic_size_t       next;       /* the task that is taken next */
    atomic_bool         stop;       /* no further task starts */
    pthread_mutex_t     lock;       /* of the two below */
    size_t              failed;     /* the first task by number that failed */
    enum kernel_status  status;     /* and how */
};

struct pool {
    pthread_mutex_t turn;           /* held by the call under way */
    pthread_mutex_t lock;           /* of all below */
    pthread_cond_t  wake, idle;
    struct run     *run;
    int             tickets;        /* threads that may still join the run */
    int             busy;           /* threads that joined it and have not left */
    bool            closing;
    int             workers;        /* beside the caller */
    pthread_t       thread[POOL_THREADS_MOST];
};

/* A task that calls pool_run must not wait for the pool that it keeps busy. */
static _Thread_local bool inside;

/* ---- A run ----------------------------------------------------------------------------------------- */

static void note_failure(struct run *run, size_t task, enum kernel_status status)
{
    pthread_mutex_lock(&run->lock);
    if (run->status == KERNEL_OK || task < run->failed) {
        run->failed = task;
        run->status = status;
    }
    pthread_mutex_unlock(&run->lock);
    atomic_store(&run->stop, true);
}

/* Takes one task; false if there is none left. */
static bool run_one(struct run *run)
{
    size_t task = atomic_load(&run->stop) ? run->tasks : atomic_fetch_add(&run->next, 1);
    if (task >= run->tasks)
        return false;
    enum kernel_status status = run->fn(run->arg, task);
    if (status != KERNEL_OK)
        note_failure(run, task, status);
    return true;
}

/* The caller's part. Returns false if its tick did. */
static bool run_and_tick(struct run *run, const struct progress *progress)
{
    bool was = inside, going = true;
    inside = true;
    while (going && run_one(run)) {
        size_t begun = atomic_load(&run->next);
        if (begun < run->tasks)
            going = progress_tick(progress, (double)begun / (double)run->tasks);
    }
    if (!going)
        atomic_store(&run->stop, true);
    inside = was;
    return going;
}

/* ---- Threads --------------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct pool *pool = arg;
    cpu_fp_setup();
    inside = true;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->closing && pool->tickets == 0)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->closing)
            break;
        struct run *run = pool->run;
        pool->tickets--;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        while (run_one(run))
            ;
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int processors(void)
{
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static void start_workers(struct pool *pool, int workers)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (pool->workers < workers && pthread_create(&pool->thread[pool->workers], &attributes, work, pool) == 0)
        pool->workers++;
    pthread_attr_destroy(&attributes);
}

struct pool *pool_open(int threads)
{
    if (threads <= 0)
        threads = processors();
    if (threads > POOL_THREADS_MOST)
        threads = POOL_THREADS_MOST;
    struct pool *pool = threads > 1 ? calloc(1, sizeof *pool) : NULL;
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    start_workers(pool, threads - 1);
    return pool;
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->workers; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool ? pool->workers + 1 : 1;
}

/* ---- The front door -------------------------------------------------------------------------------- */

/* Wakes as many threads as there are tasks for. */
static void invite(struct pool *pool, struct run *run)
{
    size_t helpers = run->tasks - 1 < (size_t)pool->workers ? run->tasks - 1 : (size_t)pool->workers;
    pthread_mutex_lock(&pool->lock);
    pool->run = run;
    pool->tickets = (int)helpers;
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < helpers; i++)
        pthread_cond_signal(&pool->wake);
}

/* Nobody joins any more; waits for those who did. */
static void dismiss(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->tickets = 0;
    while (pool->busy > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pool->run = NULL;
    pthread_mutex_unlock(&pool->lock);
}

enum kernel_status pool_run(const struct progress *progress, size_t tasks, pool_fn *fn, void *arg)
{
    struct run run = {.fn = fn, .arg = arg, .tasks = tasks, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct pool *pool = progress && !inside && tasks > 1 ? progress->pool : NULL;
    if (tasks > 0 && !progress_tick(progress, 0))
        return KERNEL_CANCELED;
    if (pool && pthread_mutex_trylock(&pool->turn) != 0)
        pool = NULL;
    if (pool)
        invite(pool, &run);
    bool going = run_and_tick(&run, progress);
    if (pool) {
        dismiss(pool);
        pthread_mutex_unlock(&pool->turn);
    }
    pthread_mutex_destroy(&run.lock);
    if (run.status != KERNEL_OK)
        return run.status;
    return going ? KERNEL_OK : KERNEL_CANCELED;
}
