/* test_sandbox: what a sandboxed process can still do, and what it cannot; on a kernel that has everything, and on ones
 * that lack Landlock or seccomp (made by a filter that says "no such call"). Each try runs in a child of its own.
 * `test_sandbox --without NUMBER PROGRAM ARGS` runs a program under such a filter. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/sandbox.h"
#include "tests/labtest.h"

#ifdef __linux__

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { LANDLOCK = 444 };

static char folder[256];
static bool with_gpu; /* as for a lab that has opened a GPU */

/* From now on one system call does not exist. */
static void remove_call(int number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { 4, code };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        _exit(99);
}

/* A try returns 0 when it got what it wanted. */
typedef int try(void);

/* The exit status of `what` in a sandboxed child, without system call `missing` unless that is 0. The report comes back
 * over a pipe. */
static int run(try *what, int missing, struct sandbox_report *report)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const char *readable[] = { folder, "/nowhere" };
        struct sandbox_report mine;
        if (missing)
            remove_call(missing);
        sandbox_enter(readable, 2, with_gpu, &mine);
        if (write(pipes[1], &mine, sizeof mine) != sizeof mine)
            _exit(98);
        _exit(what());
    }
    close(pipes[1]);
    ssize_t n = read(pipes[0], report, sizeof *report);
    close(pipes[0]);
    assert_int_equal(n, sizeof *report);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    return fd < 0 ? errno : 0;
}

static int in_folder(const char *name, int flags)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return opens(path, flags);
}

static void *nothing(void *arg) { return arg; }

/* --- what must work ----------------------------------------------------------------------------------------------- */

static int read_allowed(void) { return in_folder("file", O_RDONLY); }
static int read_cpuinfo(void) { return opens("/proc/cpuinfo", O_RDONLY); }
static int list_folder(void) { return in_folder(".", O_RDONLY | O_DIRECTORY); }

static int make_thread(void)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, nothing, NULL);
    return failed ? failed : pthread_join(thread, NULL);
}

static int map_memory(void)
{
    void *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : munmap(p, 64 << 20);
}

/* --- what must not ------------------------------------------------------------------------------------------------ */

static int make_file(void) { return in_folder("new", O_WRONLY | O_CREAT); }
static int change_file(void) { return in_folder("file", O_RDWR); }
static int cut_file(void) { return in_folder("file", O_RDONLY | O_TRUNC); }
static int nameless_file(void) { return in_folder(".", O_TMPFILE | O_RDWR); }
static int open_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int open_local(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int trace_parent(void) { return ptrace(PTRACE_ATTACH, getppid(), 0, 0) < 0 ? errno : 0; }
static int kill_parent(void) { return kill(getppid(), 0) < 0 ? errno : 0; }
static int change_limit(void) { return syscall(SYS_prlimit64, getppid(), 7, NULL, NULL) < 0 ? errno : 0; }
static int use_ring(void) { return syscall(425, 1, NULL) < 0 ? errno : 0; }
static int new_names(void) { return syscall(SYS_unshare, 0x10000000) < 0 ? errno : 0; }
static int load_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0) < 0 ? errno : 0; }
static int openat2_write(void) { return syscall(437, -100, "/tmp", NULL, 0) < 0 ? errno : 0; }

static int start_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int run_program(void)
{
    char *argv[] = { (char[]){ "true" }, NULL }, *empty[] = { NULL };
    execve("/bin/true", argv, empty);
    return errno;
}

static int remove_file(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/file", folder);
    return unlink(path) < 0 ? errno : 0;
}

static int rename_file(void)
{
    char path[512], other[512];
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return rename(path, other) < 0 ? errno : 0;
}

static int write_own_memory(void) { return opens("/proc/self/mem", O_RDWR); }
static int read_secrets(void) { return opens("/etc/passwd", O_RDONLY); }
static int read_environment_of_parent(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
    return opens(path, O_RDONLY);
}

static const struct { const char *name; try *run; } good[] = {
    { "read an allowed file", read_allowed }, { "read /proc/cpuinfo", read_cpuinfo }, { "list a folder", list_folder },
    { "make a thread", make_thread }, { "map memory", map_memory },
};

/* Refused by seccomp, and (but for the first four) by nothing else. */
static const struct { const char *name; try *run;
} bad[] = {
    { "make a file", make_file },
    { "change a file", change_file },
    { "cut a file", cut_file },
    { "make a nameless file", nameless_file },
    { "open a socket", open_socket },
    { "open a local socket", open_local },
    { "trace", trace_parent },
    { "signal", kill_parent },
    { "change limits of others", change_limit },
    { "use io_uring", use_ring },
    { "make a namespace", new_names },
    { "load BPF", load_bpf },
    { "openat2", openat2_write },
    { "start a process", start_process },
    { "run a program", run_program },
    { "remove a file", remove_file },
    { "rename a file", rename_file },
    { "write its own memory file", write_own_memory },
};

static void try_all(int missing, bool landlock, bool seccomp)
{
    struct sandbox_report report;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int status = run(good[i].run, missing, &report);
        if (status != 0)
            fail_msg("cannot %s: %s", good[i].name, strerror(status));
    }
    for (size_t i = 0; seccomp && i < sizeof bad / sizeof bad[0]; i++) {
        int status = run(bad[i].run, missing, &report);
        if (status == 0 || status > 98)
            fail_msg("could %s (%d)", bad[i].name, status);
    }
    assert_int_equal(strncmp(report.landlock, "on", 2) == 0, landlock);
    assert_int_equal(strncmp(report.seccomp, "on", 2) == 0, seccomp);
    assert_int_equal(run(read_secrets, missing, &report), landlock ? EACCES : 0);
    if (landlock)
        assert_int_not_equal(run(read_environment_of_parent, missing, &report), 0);
}

/* What this kernel has by itself. */
static void ask_kernel(bool *landlock, bool *seccomp)
{
    struct sandbox_report report;
    run(read_allowed, 0, &report);
    *landlock = strncmp(report.landlock, "on", 2) == 0;
    *seccomp = strncmp(report.seccomp, "on", 2) == 0;
    print_message("landlock %s; seccomp %s; limits %s\n", report.landlock, report.seccomp, report.limits);
}

static void as_it_is(void **state)
{
    bool landlock, seccomp;
    (void)state;
    ask_kernel(&landlock, &seccomp);
    try_all(0, landlock, seccomp);
}

static void without_landlock(void **state)
{
    bool landlock, seccomp;
    (void)state;
    ask_kernel(&landlock, &seccomp);
    if (seccomp)
        try_all(LANDLOCK, false, true);
}

static void without_seccomp(void **state)
{
    bool landlock, seccomp;
    (void)state;
    ask_kernel(&landlock, &seccomp);
    if (seccomp)
        try_all(SYS_seccomp, landlock, false);
}

static int type_for_parent(void)
{
    char letter = 'x';
    return ioctl(0, TIOCSTI, &letter) < 0 ? errno : 0;
}

static int ask_driver(void)
{
    return ioctl(0, _IOWR('F', 210, int), NULL) < 0 ? errno : 0;
}

/* The driver may be spoken to and nothing else: files stay closed, by Landlock, and so do terminals. */
static void with_open_gpu(void **state)
{
    struct sandbox_report report;
    bool landlock, seccomp;
    (void)state;
    ask_kernel(&landlock, &seccomp);
    if (!landlock || !seccomp)
        skip();
    assert_int_equal(run(ask_driver, 0, &report), EPERM);
    with_gpu = true;
    try_all(0, true, true);
    assert_int_equal(run(type_for_parent, 0, &report), EPERM);
    assert_int_not_equal(run(ask_driver, 0, &report), EPERM);
    with_gpu = false;
}

/* A thread that was there before is held by the same filter. */
static volatile int thread_result = -1;
static pthread_barrier_t entered;

static void *try_socket(void *unused)
{
    pthread_barrier_wait(&entered);
    thread_result = open_socket();
    return unused;
}

static void every_thread(void **state)
{
    struct sandbox_report report;
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        pthread_barrier_init(&entered, NULL, 2);
        if (pthread_create(&thread, NULL, try_socket, NULL) != 0)
            _exit(97);
        sandbox_enter(NULL, 0, false, &report);
        pthread_barrier_wait(&entered);
        pthread_join(thread, NULL);
        _exit(strncmp(report.seccomp, "on", 2) == 0 ? thread_result : EPERM);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EPERM);
}

/* The lab says what it lacks, and works without. */
static void lab_without(void **state)
{
    static const struct {
        int number;
        const char *key;
    } cases[] = { { LANDLOCK, "landlock" }, { SYS_seccomp, "seccomp" } };
    char self[512], command[2048];
    (void)state;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "exec '%s' --without %d '%s' lab", self, cases[i].number, labtest_program());
        struct labproc *lab = labtest_start(command);
        json_t *ready = labtest_wait(lab, "ready", 10000, NULL);
        assert_non_null(ready);
        const char *said = json_string_value(json_object_get(json_object_get(ready, "sandbox"), cases[i].key));
        assert_non_null(said);
        if (strncmp(said, "off: ", 5) != 0)
            fail_msg("%s: %s", cases[i].key, said);
        json_decref(ready);
        labproc_send(lab, json_pack("{s:s, s:i}", "type", "info", "id", 1));
        json_decref(labtest_wait(lab, "info", 5000, NULL));
        labproc_free(lab);
    }
}

static int make_folder(void **state)
{
    char path[512];
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    (void)state;
    snprintf(folder, sizeof folder, "%.200s/sandbox-%d", tmp, (int)getpid());
    snprintf(path, sizeof path, "%s/file", folder);
    if (mkdir(folder, 0700) != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? -1 : close(fd);
}

static int remove_folder(void **state)
{
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s/file", folder);
    unlink(path);
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "--without") == 0) {
        remove_call(atoi(argv[2]));
        execv(argv[3], argv + 3);
        return 96;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_is),     cmocka_unit_test(without_landlock), cmocka_unit_test(without_seccomp),
        cmocka_unit_test(with_open_gpu),
        cmocka_unit_test(every_thread), cmocka_unit_test(lab_without),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

#else

int main(void)
{
    puts("ok sandbox # SKIP Linux only");
    return 0;
}

#endif
