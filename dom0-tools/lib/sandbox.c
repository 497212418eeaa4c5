// SPDX-License-Identifier: MIT
#include "sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

    // The bounding set, as far as this process may change it; a process without rights has none to drop.
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &header, none) ? -errno : 0;
}

#define LOAD(field) \
    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##what)
// Goes on with the next instruction if the loaded word is this, else passes over so many.
#define UNLESS(value, skip) \
    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, (skip))

int sandbox_filter(const int *calls, size_t nr_calls, const unsigned long *requests, size_t nr_requests)
{
    struct sock_filter code[6 + 2 * SANDBOX_MAX];
    struct sock_fprog program = { .filter = code };
    unsigned short n = 0;
    long r;

    if (nr_calls + nr_requests > SANDBOX_MAX)
        return -E2BIG;
    code[n++] = LOAD(arch);
    code[n++] = UNLESS(AUDIT_ARCH_X86_64, (unsigned char)(1 + 2 * nr_calls + 2 + 2 * nr_requests));
    code[n++] = LOAD(nr);
    for (size_t i = 0; i < nr_calls; i++) {
        code[n++] = UNLESS(calls[i], 1);
        code[n++] = RETURN(ALLOW);
    }
    code[n++] = UNLESS(SYS_ioctl, (unsigned char)(1 + 2 * nr_requests));
    code[n++] = LOAD(args[1]);
    for (size_t i = 0; i < nr_requests; i++) {
        code[n++] = UNLESS(requests[i], 1);
        code[n++] = RETURN(ALLOW);
    }
    code[n++] = RETURN(KILL_PROCESS);
    program.len = n;
    r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return r < 0 ? -errno : r > 0 ? -EPERM : 0;     // > 0: a thread that could not follow
}

_Static_assert(3 + 2 * SANDBOX_MAX <= 255, "a jump passes over at most 255 instructions");
