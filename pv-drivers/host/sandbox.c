// SPDX-License-Identifier: MIT
//
// The sandbox of a back end. By then every file is open, every thread and io_uring ring made, and
// what a ring may do is restricted (uring.c); so nothing here opens, connects or executes.
#include "host/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "public/grant_table.h"

#include <xen/evtchn.h>
#include <xen/gntdev.h>

#define MAX_ALLOWED 40

static const int allowed[] = {
    // data: rings, events, the store, an NBD server
    SYS_io_uring_enter, SYS_read, SYS_write, SYS_sendmsg, SYS_sendto, SYS_recvfrom, SYS_poll,
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

// And ioctl, for these alone: grants, events, and what the program names of its own devices.
static const unsigned long controls[] = {
    IOCTL_GNTDEV_MAP_GRANT_REF, IOCTL_GNTDEV_UNMAP_GRANT_REF, IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
    IOCTL_GNTDEV_GRANT_COPY, IOCTL_EVTCHN_BIND_INTERDOMAIN, IOCTL_EVTCHN_UNBIND, IOCTL_EVTCHN_NOTIFY,
};
#define NR_CONTROLS (sizeof(controls) / sizeof(controls[0]))

int sandbox_enter(size_t bytes, const unsigned long *own, unsigned nr_own)
{
    unsigned long requests[NR_CONTROLS + SANDBOX_MAX_OWN];
    struct rlimit memory = { .rlim_cur = bytes, .rlim_max = bytes };
    struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
        return -errno;
    if (nr_own > SANDBOX_MAX_OWN)
        return -E2BIG;
    memcpy(requests, controls, sizeof(controls));
    for (unsigned i = 0; i < nr_own; i++)
        requests[NR_CONTROLS + i] = own[i];
    return sandbox_filter(allowed, NR_ALLOWED, requests, NR_CONTROLS + nr_own);
}
