/* jsonroom.c: memory for JSON values, and whether it ran out. See jsonroom.h. */
#include "db/jsonroom.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool failed;

static void *take(size_t size)
{
    void *room = malloc(size);
    failed = failed || !room;
    return room;
}

void jsonroom_install(void)
{
    json_set_alloc_funcs(take, free);
}

bool jsonroom_failed(void)
{
    bool was = failed;
    failed = false;
    return was;
}
