/* machine.c: the processor's name for those who may not include kernels/. See machine.h. */
#include "engine/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cpu.h"

const char *machine_name(void)
{
    return cpu_info()->model;
}

static const char *sets(const struct cpu *cpu, char *out, size_t size)
{
    *out = '\0';
    for (int i = 0; i < ISA_COUNT; i++)
        if (cpu->has[i])
            snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? ", " : "", isa_name((enum isa)i));
    return out;
}

json_t *machine_facts(void)
{
    const struct cpu *cpu = cpu_info();
    char names[64];
    return json_pack("[[s, o], [s, o], [s, o]]", "processor",
                     json_sprintf("%s, %ld cores", cpu->model, sysconf(_SC_NPROCESSORS_ONLN)), "instruction sets",
                     json_sprintf("%s; kernels use %s", sets(cpu, names, sizeof names), isa_name(cpu->best)), "caches",
                     json_sprintf("level 2: %zu KiB; last: %zu KiB", cpu->l2_bytes >> 10, cpu->last_cache_bytes >> 10));
}
