// SPDX-License-Identifier: MIT
/*
 * In a guest: what its clocks say and what they cost. One line:
 *
 *   clocks MONOTONIC BOOTTIME REALTIME vdso|syscall RDTSC
 *
 * in ms; whether the C library reads the clock without a system call; ticks from one RDTSC to the next at best. With an
 * argument it stays, and says so when the monotonic clock goes back or jumps by more than that many seconds.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <x86intrin.h>

static int64_t ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* A child that may not make the system call lives if it need not. */
static int is_vdso(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    int status;

    if (!fork()) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(2);
        ms(CLOCK_MONOTONIC);
        _exit(0);
    }
    wait(&status);
    return status == 0;
}

static uint64_t rdtsc_ticks(void)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 10000; i++) {
        uint64_t from = __rdtsc(), ticks = __rdtsc() - from;
        if (ticks < least)
            least = ticks;
    }
    return least;
}

static void watch(int64_t most)
{
    const struct timespec pause = {.tv_nsec = 20000000};

    for (int64_t was = ms(CLOCK_MONOTONIC), now;; was = now) {
        nanosleep(&pause, NULL);
        now = ms(CLOCK_MONOTONIC);
        if (now < was || now - was > most * 1000)
            printf("the clock went from %ld to %ld ms\n", (long)was, (long)now);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        watch(atoi(argv[1]));
    printf("clocks %ld %ld %ld %s %lu\n", (long)ms(CLOCK_MONOTONIC), (long)ms(CLOCK_BOOTTIME), (long)ms(CLOCK_REALTIME),
           is_vdso() ? "vdso" : "syscall", (unsigned long)rdtsc_ticks());
    return 0;
}
