/* sandbox.h: what the process may do from now on: read a few folders, compute, and talk over what is open.
 * Called once, with no thread but the caller's doing anything that matters; it cannot be undone. What the kernel lacks
 * is skipped and said in the report. */
#ifndef ENGINE_SANDBOX_H
#define ENGINE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* One phrase each: "on (version 7)", "off: the kernel lacks it". */
struct sandbox_report {
    char landlock[96], seccomp[96], limits[96];
};

/* True if Landlock can restrict this process. */
bool sandbox_has_landlock(void);

/* In this order: Landlock, seccomp for every thread, memory limits. `readable`: files and folders beside the system's
 * own; those that do not exist are passed over. `gpu`: an NVIDIA GPU is open, whose driver goes on opening its device
 * files for writing and speaking to them: those files may be written, and such calls made. Threads that the driver has
 * started by now are outside of Landlock; the filter of system calls holds for them too. */
void sandbox_enter(const char *const *readable, size_t count, bool gpu, struct sandbox_report *report);

#endif
