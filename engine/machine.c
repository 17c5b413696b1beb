/* machine.c: the processor's name for those who may not include kernels/. See machine.h. */
#include "engine/machine.h"

#include "kernels/cpu.h"

const char *machine_name(void)
{
    return cpu_info()->model;
}
