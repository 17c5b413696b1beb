/* gpu.c: the door to the CUDA module: opened once, when first asked for.
 * The toolkit was optional when this was built and the driver is optional now, so every refusal has its reason.
 * Only one thread at a time comes here: the lab's worker. */
#include "kernels/gpu.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    char path[4096];
    const struct gpu_module *module;
    bool tried;
    char why[256];
} place;

void gpu_place(const char *path)
{
    snprintf(place.path, sizeof place.path, "%s", path ? path : "");
    place.tried = false;
    place.module = NULL;
}

static void open_module(void)
{
    place.tried = true;
    if (!place.path[0]) {
        snprintf(place.why, sizeof place.why, "not built: nvcc was not found");
        return;
    }
    void *library = dlopen(place.path, RTLD_NOW | RTLD_LOCAL);
    const struct gpu_module *module = library ? dlsym(library, "saffron_cuda") : NULL;
    if (module && module->version == GPU_MODULE_VERSION)
        place.module = module;
    else if (module)
        snprintf(place.why, sizeof place.why, "the module is of another version: run make");
    else
        snprintf(place.why, sizeof place.why, "%.200s", dlerror());
}

const struct gpu_module *gpu_module(char *why, size_t room)
{
    if (!place.module && !place.tried)
        open_module();
    if (!place.module)
        snprintf(why, room, "%s", place.why);
    return place.module;
}

const struct gpu_module *gpu_opened(void)
{
    return place.module;
}

bool gpu_parse(const char *text, int *index)
{
    *index = -1;
    if (strcmp(text, "cuda") == 0)
        return true;
    if (strncmp(text, "cuda:", 5) != 0 || !text[5] || strlen(text) > 8 || text[5 + strspn(text + 5, "0123456789")])
        return false;
    *index = atoi(text + 5);
    return true;
}

int gpu_devices(struct gpu_device *list, int room, char *why, size_t why_room)
{
    int count = 0;
    const struct gpu_module *m = gpu_module(why, why_room);
    if (m && m->devices(list, room, &count) != KERNEL_OK) {
        snprintf(why, why_room, "%s", m->error());
        return 0;
    }
    if (m && count == 0)
        snprintf(why, why_room, "the driver lists no GPU");
    return count < room ? count : room;
}

/* The place in list[0..count) of the device to open: the one named, or the one with most free memory; -1: none. */
static int choose(const struct gpu_device *list, int count, int index)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        if (index >= 0 && list[i].index == index)
            return i;
        if (index < 0 && (best < 0 || list[i].free > list[best].free))
            best = i;
    }
    return best;
}

enum kernel_status gpu_open(int index, struct gpu **g, char *why, size_t room)
{
    struct gpu_device list[GPU_DEVICES_MOST];
    *g = NULL;
    int count = gpu_devices(list, GPU_DEVICES_MOST, why, room), chosen = choose(list, count, index);
    if (count == 0)
        return KERNEL_NO_GPU;
    if (chosen < 0) {
        snprintf(why, room, "there is no device cuda:%d: the driver lists %d", index, count);
        return KERNEL_NO_GPU;
    }
    enum kernel_status status = place.module->open(list[chosen].index, g);
    if (status != KERNEL_OK)
        snprintf(why, room, "%s", place.module->error());
    return status;
}
