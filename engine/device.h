/* device.h: what computes in this process: the CPU alone, or an NVIDIA GPU beside it.
 * Opened once, before the sandbox, from what --device said; the results are the same bits either way. */
#ifndef ENGINE_DEVICE_H
#define ENGINE_DEVICE_H

#include <jansson.h>
#include <stdbool.h>

struct gpu_seat;

/* Opens what is wanted: "cpu", "cuda", "cuda:N", or "auto" (also NULL and ""): a GPU if there is one and Landlock holds
 * this process even so, for large tensors only. True if a GPU is open. */
bool device_open(const char *wanted);

/* For recipes: the GPU that quantize() may use, or NULL. */
struct gpu_seat *device_seat(void);

/* "cpu", or "cuda:0 NVIDIA H200": what was opened. */
const char *device_name(void);

/* Why what was asked for does not compute, one line: no such device, out of memory, broken down. "" if it does. */
const char *device_why(void);

/* Before a request, and after it: what computed it, as a reveal says it. The GPU if it rounded any tensor since
 * device_begin; else "cpu", with the reason in brackets where a GPU was asked for and refused. */
void        device_begin(void);
const char *device_computed(void);

/* Tensors that the GPU has rounded so far. */
unsigned long device_runs(void);

/* "sm_90" for a GPU that computed since device_begin, else `isa`. */
const char *device_isa(const char *isa);

/* What to add to a command so that it computes on the same device: " --device cuda:0", or "". */
const char *device_option(void);

/* Lines for `saffron doctor`, [[name, text]...] appended: each GPU, and what is used or why not. */
void device_report(json_t *lines);

#endif
