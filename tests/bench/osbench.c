// SPDX-License-Identifier: MIT
/*
 * What a kernel's basic services cost a process: the same static program in a guest, in the control domain and without any
 * hypervisor. Prints "@@ VALUE name ticks", the median of some batches, in ticks of the time stamp counter per operation,
 * less the empty loop. Under -icount shift=0 a tick is an instruction, of whoever ran it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 15
#define PAGE 4096ul
#define EXEC_AND_END "-"        /* argument of the program that fork_exec runs: itself */

static volatile int sink;
static const char *self;
static char *page;
static int to_child[2], to_parent[2];

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void empty(int n)
{
    while (n--)
        sink++;
}

static void null_syscall(int n)
{
    while (n--)
        syscall(SYS_getppid);
}

/* The vDSO answers where the clock can be read in user mode; a system call and more where it cannot. */
static void clock_read(int n)
{
    struct timespec t;

    while (n--)
        clock_gettime(CLOCK_MONOTONIC, &t);
}

static void page_fault(int n)
{
    size_t size = (size_t)n * PAGE;
    char *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    need(fresh != MAP_FAILED, "mmap");
    madvise(fresh, size, MADV_NOHUGEPAGE);
    for (int i = 0; i < n; i++)
        fresh[(size_t)i * PAGE] = 1;
    munmap(fresh, size);
}

static void map_unmap(int n)
{
    while (n--) {
        void *mapped = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        need(mapped != MAP_FAILED, "mmap");
        munmap(mapped, 16 * PAGE);
    }
}

static void protect(int n)
{
    while (n--) {
        mprotect(page, PAGE, PROT_READ);
        mprotect(page, PAGE, PROT_READ | PROT_WRITE);
        *(volatile char *)page = 1;
    }
}

static void on_signal(int number)
{
    sink += number;
}

static void signal_self(int n)
{
    pid_t me = getpid();

    while (n--)
        kill(me, SIGUSR1);
}

static void fork_exit(int n)
{
    while (n--) {
        pid_t child = fork();

        if (!child)
            _exit(0);
        need(child > 0 && waitpid(child, NULL, 0) == child, "fork");
    }
}

static void fork_exec(int n)
{
    while (n--) {
        pid_t child = fork();
        int status = 0;

        if (!child) {
            execl(self, self, EXEC_AND_END, (char *)NULL);
            _exit(1);
        }
        need(child > 0 && waitpid(child, &status, 0) == child && !status, "exec");
    }
}

/* There and back: two context switches on one CPU. */
static void pipe_round_trip(int n)
{
    char c = 0;

    while (n--)
        need(write(to_child[1], &c, 1) == 1 && read(to_parent[0], &c, 1) == 1, "pipe");
}

static pid_t pipe_partner(void)
{
    pid_t child;
    char c;

    need(!pipe(to_child) && !pipe(to_parent), "pipe");
    child = fork();
    need(child >= 0, "fork");
    if (child)
        return child;
    close(to_child[1]);
    while (read(to_child[0], &c, 1) == 1 && write(to_parent[1], &c, 1) == 1)
        ;
    _exit(0);
}

static const struct row {
    const char *name;
    void (*run)(int n);
    int n;
} rows[] = {
    { "null_syscall", null_syscall, 1000 },
    { "clock_read", clock_read, 1000 },
    { "page_fault", page_fault, 256 },
    { "mmap_munmap", map_unmap, 100 },
    { "mprotect_pair", protect, 100 },
    { "signal", signal_self, 100 },
    { "pipe_round_trip", pipe_round_trip, 100 },
    { "fork_exit", fork_exit, 10 },
    { "fork_exec", fork_exec, 10 },
};

static uint64_t median(void (*run)(int n), int n)
{
    uint64_t batch[BATCHES];

    run(n / 4 + 1);
    for (int i = 0; i < BATCHES; i++) {
        uint64_t start = ticks();

        run(n);
        batch[i] = ticks() - start;
    }
    qsort(batch, BATCHES, sizeof(batch[0]), by_value);
    return batch[BATCHES / 2];
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], EXEC_AND_END))
        _exit(0);
    self = argv[0];
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(page != MAP_FAILED, "mmap");
    signal(SIGUSR1, on_signal);
    pipe_partner();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];

        printf("@@ VALUE %s %lu\n", r->name, (unsigned long)((median(r->run, r->n) - median(empty, r->n)) / (uint64_t)r->n));
        fflush(stdout);
    }
    return 0;
}
