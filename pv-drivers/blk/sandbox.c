// SPDX-License-Identifier: MIT
//
// The sandbox of a back end. By then every file is open, every thread and io_uring ring made, and
// what a ring may do is restricted (image_raw.c); so nothing here opens, connects or executes.
#include "blk/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "public/grant_table.h"

#include <xen/evtchn.h>
#include <xen/gntdev.h>

#define MAX_ALLOWED 40

static const int allowed[] = {
    // data: rings, events, the store
    SYS_io_uring_enter, SYS_read, SYS_write, SYS_sendmsg, SYS_recvfrom, SYS_ppoll, SYS_poll,
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
_Static_assert(NR_ALLOWED + 1 <= MAX_ALLOWED, "goal: at most 40 system calls");

// And ioctl, for these alone: grants, events, the size of a block device.
static const unsigned long controls[] = {
    IOCTL_GNTDEV_MAP_GRANT_REF, IOCTL_GNTDEV_UNMAP_GRANT_REF, IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
    IOCTL_GNTDEV_GRANT_COPY, IOCTL_EVTCHN_BIND_INTERDOMAIN, IOCTL_EVTCHN_UNBIND, IOCTL_EVTCHN_NOTIFY,
    BLKGETSIZE64,
};
#define NR_CONTROLS (sizeof(controls) / sizeof(controls[0]))

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

#define LOAD(field) \
    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##what)
// Goes on with the next instruction if the loaded word is this, else passes over so many.
#define UNLESS(value, skip) \
    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, (skip))

static int install_filter(void)
{
    struct sock_filter code[6 + 2 * NR_ALLOWED + 2 * NR_CONTROLS];
    unsigned short n = 0;

    code[n++] = LOAD(arch);
    code[n++] = UNLESS(AUDIT_ARCH_X86_64, 1 + 2 * NR_ALLOWED + 2 + 2 * NR_CONTROLS);
    code[n++] = LOAD(nr);
    for (unsigned i = 0; i < NR_ALLOWED; i++) {
        code[n++] = UNLESS(allowed[i], 1);
        code[n++] = RETURN(ALLOW);
    }
    code[n++] = UNLESS(SYS_ioctl, 1 + 2 * NR_CONTROLS);
    code[n++] = LOAD(args[1]);
    for (unsigned i = 0; i < NR_CONTROLS; i++) {
        code[n++] = UNLESS(controls[i], 1);
        code[n++] = RETURN(ALLOW);
    }
    code[n++] = RETURN(KILL_PROCESS);
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
