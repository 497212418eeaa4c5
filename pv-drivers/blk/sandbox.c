// SPDX-License-Identifier: MIT
//
// The sandbox of a back end. By then every file is open, every thread and io_uring ring made, and
// what a ring may do is restricted (image_raw.c); so nothing here opens, connects or executes.
#include "blk/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_ALLOWED 40

static const int allowed[] = {
    // data: rings, events, the store
    SYS_io_uring_enter, SYS_read, SYS_write, SYS_ioctl, SYS_ppoll, SYS_poll,
    // grants and memory
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_brk,
    // threads and time
    SYS_futex, SYS_clock_gettime, SYS_clock_nanosleep, SYS_sched_yield, SYS_restart_syscall,
    SYS_set_robust_list, SYS_rseq,    // what a new thread begins with
    // the image's size
    SYS_newfstatat, SYS_fstat,
    // ending
    SYS_close, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_gettid,
    SYS_getpid, SYS_tgkill,
};
#define NR_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))
_Static_assert(NR_ALLOWED <= MAX_ALLOWED, "goal: at most 40 system calls");

int sandbox_drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

    // The bounding set, as far as this process may change it; a process without rights has none to
    // drop.
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++) {
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0) {
        return -errno;
    }
    return 0;
}

// load the architecture; foreign: kill. load the number; for each allowed one: allow. kill.
static int install_filter(void)
{
    struct sock_filter code[5 + 2 * NR_ALLOWED];
    unsigned short n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < NR_ALLOWED; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = { .len = n, .filter = code };
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

    return r < 0 ? -errno : r > 0 ? -EPERM : 0;    // > 0: a thread that could not follow
}

int sandbox_enter(size_t bytes)
{
    struct rlimit memory = { .rlim_cur = bytes, .rlim_max = bytes };
    struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
        setrlimit(RLIMIT_NPROC, &none) < 0) {
        return -errno;
    }
    return install_filter();
}
