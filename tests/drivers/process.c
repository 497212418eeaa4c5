// SPDX-License-Identifier: MIT
#include "drivers/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 100
#define MAX_ARGUMENTS 32
#define MAX_FDS (4 + 2 * (int)SHM_MAX_PORTS)

// In the child: our files at FIRST_FD and up, in the order that back ends expect.
static void place_files(const struct os *os, const struct store_shm *store)
{
    int fds[MAX_FDS];
    int nr = 0;

    fds[nr++] = os->area.fd;
    for (uint32_t i = 0; i < os->area.nr_ports; i++) {
        fds[nr++] = os->area.to_back[i];
        fds[nr++] = os->area.to_front[i];
    }
    fds[nr++] = store->fd;
    fds[nr++] = store->watch_fds[0];
    fds[nr++] = store->watch_fds[1];
    for (int i = 0; i < nr; i++) {
        if (dup2(fds[i], FIRST_FD + i) < 0) {
            _exit(126);
        }
    }
}

pid_t process_start(const char *name, struct os *os, const struct store_shm *store,
                    char *const *arguments, const char *log)
{
    char program[4096];
    char number[16];
    char *words[MAX_ARGUMENTS + 4] = { program, "--domid", number };
    int nr = 3;

    snprintf(program, sizeof(program), "%s/tests/drivers/%s",
             getenv("PV_BUILD") ? getenv("PV_BUILD") : ".", name);
    snprintf(number, sizeof(number), "%d", FIRST_FD);
    while (*arguments && nr < MAX_ARGUMENTS + 3) {
        words[nr++] = *arguments++;
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (log) {
            dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        }
        place_files(os, store);
        execv(program, words);
        _exit(127);
    }
    return pid;
}

void process_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

long process_status(pid_t pid, const char *name, int base)
{
    char path[64];
    char line[256];
    long value = -1;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = strtol(line + strlen(name), NULL, base);
        }
    }
    if (f) {
        fclose(f);
    }
    return value;
}
