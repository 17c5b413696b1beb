/* sandbox.c: Landlock (which files), seccomp (which system calls), resource limits (how much memory).
 * Linux only, by raw system calls, so that it needs no library; elsewhere the report says that nothing is on.
 * The system call list is an allow list: what is not on it fails with EPERM, and a program that cannot open a socket,
 * start a process or write a file stays one that can compute. */
#include "engine/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/sanitized.h"

#ifdef __linux__

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- Landlock ----------------------------------------------------------------------------------------------------- */

/* As in linux/landlock.h, which older systems do not have. */
enum {
    CALL_CREATE_RULESET = 444,
    CALL_ADD_RULE       = 445,
    CALL_RESTRICT_SELF  = 446,
    RULE_PATH_BENEATH   = 1,
    CREATE_VERSION      = 1,
};
#define FS_EXECUTE  (1ull << 0)
#define FS_WRITE    (1ull << 1)
#define FS_READ     (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_IOCTL    (1ull << 15)    /* of devices; from version 5 on */

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t  fd;
} __attribute__((packed));

/* System folders that a dynamic program reads: libraries, time zones, what it asks about itself and the machine. */
static const char *const system_readable[] = {
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/cuda", "/opt/cuda", "/etc/ld.so.cache",
    "/etc/localtime", "/proc/self", "/proc/cpuinfo", "/sys/devices/system", "/nix/store", NULL,
};

/* What the driver of an NVIDIA GPU opens; /dev/nvidia0 to 63 beside them. /dev/dxg: under WSL. */
static const char *const gpu_devices[] = {
    "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps", "/dev/dxg", NULL,
};
static const char *const gpu_readable[] = {
    "/proc/driver/nvidia", "/proc/devices", "/proc/meminfo", "/proc/modules", "/sys/module/nvidia", "/sys/bus/pci",
    "/sys/devices", "/usr/lib/wsl", NULL,
};
enum { GPU_FILES = 64 };

/* Every access right that this version of Landlock knows is handled, so that what is not granted is refused. */
static uint64_t rights_of(long version)
{
    static const int bits[] = { 0, 13, 14, 15, 15, 16 };
    return (1ull << bits[version > 5 ? 5 : version]) - 1;
}

static void allow_path(int ruleset, const char *path, uint64_t more)
{
    struct stat info;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    struct path_attr rule = { .allowed = FS_READ | more, .fd = fd };
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
        rule.allowed |= FS_READ_DIR;
    syscall(CALL_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    close(fd);
}

static long landlock_version(void)
{
    return syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_VERSION);
}

bool sandbox_has_landlock(void)
{
    return landlock_version() >= 1;
}

/* Rights beyond reading need files: a rule for what does not exist is not made. */
static void allow_gpu(int ruleset, uint64_t rights)
{
    char path[32];
    for (size_t i = 0; gpu_devices[i]; i++)
        allow_path(ruleset, gpu_devices[i], rights);
    for (int i = 0; i < GPU_FILES; i++) {
        snprintf(path, sizeof path, "/dev/nvidia%d", i);
        allow_path(ruleset, path, rights);
    }
    for (size_t i = 0; gpu_readable[i]; i++)
        allow_path(ruleset, gpu_readable[i], 0);
}

static void restrict_files(const char *const *readable, size_t count, bool gpu, char *said, size_t size)
{
    long version = landlock_version();
    if (version < 1) {
        snprintf(said, size, "off: %s", errno == EOPNOTSUPP ? "not enabled in this kernel" : "the kernel lacks it");
        return;
    }
    struct ruleset_attr attr = { .fs = rights_of(version),
                                 .net = version >= 4 ? 3 : 0,
                                 .scoped = version >= 6 ? 3 : 0 };
    size_t bytes = version >= 6 ? sizeof attr : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int ruleset = (int)syscall(CALL_CREATE_RULESET, &attr, bytes, 0);
    if (ruleset < 0) {
        snprintf(said, size, "off: %s", strerror(errno));
        return;
    }
    for (size_t i = 0; system_readable[i]; i++)
        allow_path(ruleset, system_readable[i], 0);
    for (size_t i = 0; i < count; i++)
        if (readable[i] && readable[i][0])
            allow_path(ruleset, readable[i], 0);
    if (gpu)
        allow_gpu(ruleset, FS_WRITE | (rights_of(version) & FS_IOCTL));
    if (syscall(CALL_RESTRICT_SELF, ruleset, 0) == 0)
        snprintf(said, size, "on (version %ld)", version);
    else
        snprintf(said, size, "off: %s", strerror(errno));
    close(ruleset);
}

/* --- seccomp ------------------------------------------------------------------------------------------------------ */

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

/* Calls that are allowed whatever their arguments. */
static const int allowed_calls[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_lseek, SYS_close, SYS_fstat, SYS_dup, SYS_dup3,
    SYS_fcntl, SYS_getcwd, SYS_getdents64, SYS_readlinkat, SYS_faccessat, SYS_fstatfs, SYS_fadvise64,
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_mincore,
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_restart_syscall,
    SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_times,
    SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_uname, SYS_sysinfo,
    SYS_getrusage, SYS_getrandom, SYS_exit, SYS_exit_group, SYS_ppoll,
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_membarrier
    SYS_membarrier,
#endif
#ifdef SYS_poll
    SYS_poll, SYS_select, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_dup2, SYS_arch_prctl, SYS_time,
#endif
};

/* And those of a GPU's driver. */
static const int gpu_calls[] = { SYS_eventfd2, SYS_mlock, SYS_munlock, SYS_mbind, SYS_get_mempolicy, SYS_pipe2 };

/* Calls that are allowed when one argument passes. */
enum argument_test { BITS_CLEAR, BITS_SET, EQUALS };
struct guarded_call {
    int                number;
    int                argument; /* its low 32 bits are looked at */
    enum argument_test test;
    uint32_t           bits;
};
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | 020000000 /* O_TMPFILE's own bit */)

#define CREATING (O_CREAT | O_TRUNC | O_APPEND | 020000000) /* what is left where devices may be opened for writing */

enum { FILTER_MOST = 320 };

static void put(struct sock_filter *filter, unsigned short *n, struct sock_filter op)
{
    if (*n < FILTER_MOST)
        filter[(*n)++] = op;
}

static void put_allowed(struct sock_filter *filter, unsigned short *n, int number)
{
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

static void put_guarded(struct sock_filter *filter, unsigned short *n, struct guarded_call call)
{
    uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)call.argument);
    uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call.number, 0, 4));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
    unsigned short test = call.test == EQUALS ? BPF_JEQ : BPF_JSET;
    unsigned char yes = call.test == BITS_CLEAR ? 1 : 0;
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, call.bits, yes, (unsigned char)!yes));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, refuse));
}

/* ioctl as NVIDIA's driver uses it: requests of type 'F', and the small and the two large numbers of its memory device.
 * None that puts words into a terminal's mouth: those are of type 'T'. */
static void put_ioctl(struct sock_filter *filter, unsigned short *n)
{
    uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + 8), refuse = SECCOMP_RET_ERRNO | EPERM;
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SYS_ioctl, 0, 8));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x100, 0, 5));
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x30000001, 4, 0));
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x30000002, 3, 0));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00));
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'F' << 8, 1, 0));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, refuse));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

/* The C library tries newer calls first and falls back when they do not exist: clone3 and openat2 hide their flags
 * behind a pointer, where no filter can see them. */
static void put_missing(struct sock_filter *filter, unsigned short *n, int number)
{
    put(filter, n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
    put(filter, n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

static unsigned short build_filter(struct sock_filter *filter, bool gpu)
{
    uint32_t self = (uint32_t)getpid(), writing = gpu ? CREATING : WRITING;
    const struct guarded_call guarded[] = {
        { SYS_openat, 2, BITS_CLEAR, writing },
#ifdef SYS_open
        { SYS_open, 1, BITS_CLEAR, writing },
#endif
        { SYS_clone, 0, BITS_SET, CLONE_THREAD },
        { SYS_tgkill, 0, EQUALS, self },
        { SYS_prlimit64, 0, EQUALS, 0 },
        { SYS_prctl, 0, EQUALS, PR_SET_NAME },
    };
    unsigned short n = 0;
    put(filter, &n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    put(filter, &n, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    put(filter, &n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    put(filter, &n, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t i = 0; i < sizeof allowed_calls / sizeof allowed_calls[0]; i++)
        put_allowed(filter, &n, allowed_calls[i]);
    for (size_t i = 0; gpu && i < sizeof gpu_calls / sizeof gpu_calls[0]; i++)
        put_allowed(filter, &n, gpu_calls[i]);
    if (gpu)
        put_ioctl(filter, &n);
    put_missing(filter, &n, 435); /* clone3 */
    put_missing(filter, &n, 437); /* openat2 */
    put_missing(filter, &n, 439); /* faccessat2 */
    for (size_t i = 0; i < sizeof guarded / sizeof guarded[0]; i++)
        put_guarded(filter, &n, guarded[i]);
    put(filter, &n, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    return n;
}

static void restrict_calls(bool gpu, char *said, size_t size)
{
    struct sock_filter filter[FILTER_MOST];
    if (ARCHITECTURE == 0) {
        snprintf(said, size, "off: no list of system calls for this processor");
        return;
    }
    struct sock_fprog program = { .len = build_filter(filter, gpu), .filter = filter };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        snprintf(said, size, "on%s", gpu ? ", with those of the GPU's driver" : "");
    else
        snprintf(said, size, "off: %s", errno == ENOSYS || errno == EINVAL ? "the kernel lacks it" : strerror(errno));
}

static void restrict_system(const char *const *readable, size_t count, bool gpu, struct sandbox_report *report)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(report->landlock, sizeof report->landlock, "off: %s", strerror(errno));
        snprintf(report->seccomp, sizeof report->seccomp, "off: %s", strerror(errno));
        return;
    }
    restrict_files(readable, count, gpu, report->landlock, sizeof report->landlock);
    restrict_calls(gpu, report->seccomp, sizeof report->seccomp);
}

#else

static void restrict_system(const char *const *readable, size_t count, bool gpu, struct sandbox_report *report)
{
    (void)readable, (void)count, (void)gpu;
    snprintf(report->landlock, sizeof report->landlock, "off: Linux only");
    snprintf(report->seccomp, sizeof report->seccomp, "off: Linux only");
}

bool sandbox_has_landlock(void)
{
    return false;
}

#endif

/* --- limits ------------------------------------------------------------------------------------------------------- */

/* Half the machine's memory, at least 1 GiB: the memory lesson needs matrices larger than the largest caches. */
static rlim_t memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    rlim_t half = pages > 0 && bytes > 0 ? (rlim_t)pages * (rlim_t)bytes / 2 : 0;
    return half > (rlim_t)1 << 30 ? half : (rlim_t)1 << 30;
}

static void restrict_memory(char *said, size_t size)
{
    rlim_t most = memory_limit();
    struct rlimit none = { 0, 0 }, data = { most, most };
    setrlimit(RLIMIT_CORE, &none);
    if (SANITIZED) /* the limit would count the shadow memory */
        snprintf(said, size, "off: built with a sanitizer");
    else if (setrlimit(RLIMIT_DATA, &data) == 0)
        snprintf(said, size, "on (memory at most %.1f GiB)", (double)most / (1 << 30));
    else
        snprintf(said, size, "off: %s", strerror(errno));
}

void sandbox_enter(const char *const *readable, size_t count, bool gpu, struct sandbox_report *report)
{
    memset(report, 0, sizeof *report);
    restrict_system(readable, count, gpu, report);
    restrict_memory(report->limits, sizeof report->limits);
}
