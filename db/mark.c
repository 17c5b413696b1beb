/* mark.c: the small file beside the database that holds the last seq of the device that wrote last.
 * It is written after a commit and never synced, so it can be behind the database but not ahead of it, unless the
 * database lost something. Its lock says which tutors have the database open. */
#include "db/base.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MARK_BYTES = 72 };

void mark_open(struct base *base)
{
    mark_close(base);
    char *name = sqlite3_mprintf("%s.seq", base->path);
    if (!name)
        return;
    base->mark = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    sqlite3_free(name);
    mark_share(base); /* waits while another tutor repairs */
}

void mark_close(struct base *base)
{
    if (base->mark >= 0)
        close(base->mark);
    base->mark = -1;
    base->marked = 0;
}

/* One line: device, seq. Anything else, as a torn write leaves, is no mark. */
void mark_read(struct base *base)
{
    char    text[MARK_BYTES + 1] = "", device[RECORD_UUID] = "";
    int64_t seq = 0;
    base->marked = 0;
    if (base->mark < 0 || pread(base->mark, text, MARK_BYTES, 0) != MARK_BYTES)
        return;
    if (sscanf(text, "%36s %20" SCNd64, device, &seq) == 2 && strcmp(device, base->device) == 0 && seq > 0)
        base->marked = seq;
}

void mark_device(struct base *base, char device[RECORD_UUID])
{
    char text[MARK_BYTES + 1] = "";
    device[0] = 0;
    if (base->mark >= 0 && pread(base->mark, text, MARK_BYTES, 0) == MARK_BYTES && sscanf(text, "%36s", device) != 1)
        device[0] = 0;
}

void mark_write(struct base *base, int64_t seq)
{
    char text[MARK_BYTES + 1];
    snprintf(text, sizeof text, "%-36s %20" PRId64 "%*s\n", base->device, seq, MARK_BYTES - 36 - 1 - 20 - 1, "");
    if (base->mark >= 0 && pwrite(base->mark, text, MARK_BYTES, 0) == MARK_BYTES)
        base->marked = seq;
}

bool mark_alone(struct base *base)
{
    return base->mark >= 0 && flock(base->mark, LOCK_EX | LOCK_NB) == 0;
}

void mark_share(struct base *base)
{
    if (base->mark >= 0)
        flock(base->mark, LOCK_SH);
}
