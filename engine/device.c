/* device.c: the GPU of this process, if it has one, and what is said of it.
 * Everything about the driver is asked before the sandbox and kept as text: afterwards it cannot be asked anew. */
#include "engine/device.h"

#include <stdio.h>
#include <string.h>

#include "engine/sandbox.h"
#include "kernels/gpu.h"
#include "kernels/gpu_quantize.h"

enum {
    AUTO_LEAST = 1 << 20,   /* values below which the way to the card and back takes longer than the CPU */
    LISTED     = 8,
};

static struct {
    struct gpu_seat seat;
    bool  open, asked;      /* asked: by name, not by "auto" */
    char  name[160], isa[16], option[24];
    char  why[320];
    char  found[LISTED][256];   /* a line for each GPU */
    int   count;
    unsigned long before;   /* runs when the request began */
    char  computed[512];
} device = { .seat.busy = ATOMIC_FLAG_INIT, .name = "cpu" };

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void describe(char *out, size_t size, const struct gpu_device *d)
{
    snprintf(out, size, "cuda:%d %.100s, compute capability %d.%d, %.1f GiB, %.1f free", d->index, d->name,
             d->capability / 10, d->capability % 10, (double)d->memory / (1 << 30), (double)d->free / (1 << 30));
}

static void list_devices(void)
{
    struct gpu_device list[GPU_DEVICES_MOST];
    int count = gpu_devices(list, GPU_DEVICES_MOST, device.why, sizeof device.why);
    for (int i = 0; i < count && device.count < LISTED; i++)
        describe(device.found[device.count++], sizeof device.found[0], &list[i]);
}

static void open_gpu(int index)
{
    struct gpu *g;
    if (gpu_open(index, &g, device.why, sizeof device.why) != KERNEL_OK)
        return;
    const struct gpu_device *d = gpu_opened()->device(g);
    snprintf(device.name, sizeof device.name, "cuda:%d %.120s", d->index, d->name);
    snprintf(device.isa, sizeof device.isa, "sm_%d", d->capability);
    snprintf(device.option, sizeof device.option, " --device cuda:%d", d->index);
    device.seat.g = g;
    device.seat.least = device.asked ? 1 : AUTO_LEAST;
    device.open = true;
}

bool device_open(const char *wanted)
{
    int index = -1;
    if (wanted && strcmp(wanted, "cpu") == 0)
        return false;
    device.asked = wanted && gpu_parse(wanted, &index);
    list_devices();
    if (device.count > 0 && !device.asked && !sandbox_has_landlock())
        snprintf(device.why, sizeof device.why, "this kernel lacks Landlock, which would keep a lesson from files that "
                 "the GPU's driver could write: --device cuda uses it all the same");
    else if (device.count > 0)
        open_gpu(index);
    return device.open;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

struct gpu_seat *device_seat(void)
{
    return device.open ? &device.seat : NULL;
}

const char *device_name(void)
{
    return device.name;
}

const char *device_why(void)
{
    return device.open ? device.seat.why : device.why;
}

void device_begin(void)
{
    device.before = device.seat.runs;
    device.seat.why[0] = '\0';
    if (device.open && !device.seat.g)
        snprintf(device.seat.why, sizeof device.seat.why, "%s broke down before", device.name);
}

unsigned long device_runs(void)
{
    return device.seat.runs;
}

static bool gpu_computed(void)
{
    return device.seat.runs > device.before;
}

const char *device_computed(void)
{
    const char *why = device_why();
    if (gpu_computed() && !*why)
        return device.name;
    if (!*why || (!device.asked && !device.open))
        return "cpu";
    snprintf(device.computed, sizeof device.computed, "%s%s(%s)", gpu_computed() ? device.name : "cpu",
             gpu_computed() ? " and cpu " : " ", why);
    return device.computed;
}

const char *device_isa(const char *isa)
{
    return gpu_computed() ? device.isa : isa;
}

const char *device_option(void)
{
    return device.asked && device.open ? device.option : "";
}

void device_report(json_t *lines)
{
    char why[320];
    int driver = 0, runtime = 0;
    const struct gpu_module *m = gpu_module(why, sizeof why);
    if (m)
        m->versions(&driver, &runtime);
    for (int i = 0; i < device.count; i++)
        json_array_append_new(lines, json_pack("[s, s]", "GPU", device.found[i]));
    if (device.count > 0)
        json_array_append_new(lines, json_pack("[s, o]", "CUDA", json_sprintf("driver %d.%d, runtime %d.%d",
                              driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10)));
    if (device.open)
        json_array_append_new(lines, json_pack("[s, o]", "GPU in use", json_sprintf("%s, for tensors of %zu or more "
                              "values%s%s", device.name, device.seat.least, *device.seat.why ? "; " : "",
                              device.seat.why)));
    else
        json_array_append_new(lines, json_pack("[s, o]", "GPU", json_sprintf("not used: %s", *device.why ? device.why :
                              "--device cpu")));
}
