/* faultdisk.h: a disk that fails: a layer over the usual one, entered by SQLite's own door.
 * One kind of operation is watched; the n-th fails, once or from then on. faultdisk_setup goes into a group's setup. */
#ifndef TESTS_FAULTDISK_H
#define TESTS_FAULTDISK_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

enum operation { WRITES, SYNCS, TRUNCATES, OPENS, READS, SHARED, OPERATIONS };

static atomic_int watched;   /* enum operation */
static atomic_int countdown; /* operations until one fails; 0: none */
static atomic_int lasting;   /* it fails from then on */
static atomic_int failed;    /* how many did */
static atomic_int failure;   /* SQLite's code for it */

struct fault_file {
    sqlite3_file  base;
    sqlite3_file *real;
};

static sqlite3_vfs *usual;

static sqlite3_file *real(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static bool fails(int operation)
{
    if (atomic_load(&watched) != operation || atomic_load(&countdown) <= 0)
        return false;
    if (atomic_load(&countdown) > 1) {
        atomic_fetch_sub(&countdown, 1);
        return false;
    }
    if (!atomic_load(&lasting))
        atomic_store(&countdown, 0);
    atomic_fetch_add(&failed, 1);
    return true;
}

static int fault_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int fault_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at)
{
    return fails(READS) ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), data, size, at);
}

/* Half of the bytes arrive before the disk fails. */
static int fault_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at)
{
    if (!fails(WRITES))
        return real(f)->pMethods->xWrite(real(f), data, size, at);
    real(f)->pMethods->xWrite(real(f), data, size / 2, at);
    return atomic_load(&failure);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails(TRUNCATES) ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), size);
}

static int fault_sync(sqlite3_file *f, int flags)
{
    return fails(SYNCS) ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int fault_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int fault_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int fault_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int fault_control(sqlite3_file *f, int operation, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), operation, arg);
}

static int fault_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int fault_traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int fault_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return fails(SHARED) ? SQLITE_IOERR_SHMSIZE : real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void fault_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int fault_unmap(sqlite3_file *f, int erase)
{
    return real(f)->pMethods->xShmUnmap(real(f), erase);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
    .xShmMap = fault_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_barrier,
    .xShmUnmap = fault_unmap,
};

static atomic_int read_only; /* files can be read and not written */

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct fault_file *f = (struct fault_file *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(f + 1);
    if (fails(OPENS))
        return SQLITE_CANTOPEN;
    if (atomic_load(&read_only) && name)
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    int rc = usual->xOpen(usual, name, f->real, flags, out);
    if (f->real->pMethods)
        f->base.pMethods = &methods;
    return rc;
}

static int faultdisk_setup(void **state)
{
    static sqlite3_vfs vfs;
    (void)state;
    sqlite3_initialize();
    usual = sqlite3_vfs_find(NULL);
    vfs = *usual;
    vfs.zName = "fault";
    vfs.szOsFile += (int)sizeof(struct fault_file);
    vfs.xOpen = fault_open;
    return sqlite3_vfs_register(&vfs, 1);
}

#endif
