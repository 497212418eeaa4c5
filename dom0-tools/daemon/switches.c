// SPDX-License-Identifier: MIT
// Bridges of Open vSwitch's. vane-net puts its TAP device on one; the switch keeps the name of a port whose device has gone, so
// vaned takes it off when the NIC has gone for good.
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.h"

static bool is_switch(const char *bridge)
{
    char path[64 + IFNAMSIZ];

    snprintf(path, sizeof(path), "/sys/class/net/%.*s/bridge", IFNAMSIZ, bridge);
    return *bridge && if_nametoindex(bridge) && access(path, F_OK) != 0;
}

// The database has it a moment later; nobody waits for the switch.
static void take_off(char *bridge, char *tap)
{
    char *words[] = { "ovs-vsctl", "--timeout=2", "--no-wait", "--if-exists", "del-port", bridge, tap, NULL };
    int status = -1;
    pid_t pid;

    if (posix_spawnp(&pid, words[0], NULL, NULL, words, environ) == 0)
        (void)waitpid(pid, &status, 0);
    if (status)
        log_line("%s stays a port of %s: take it off by `ovs-vsctl del-port %s %s`", tap, bridge, bridge, tap);
}

void switch_leave(const struct vaned *v, const struct domain *d, const char *device)
{
    char path[BACKEND_PATH], bridge[BACKEND_WORD], tap[BACKEND_WORD];
    struct words w = { .count = 0 };

    backend_path(v, d, device, "arguments", path);
    words_recall(&w, path);
    words_option(&w, "--bridge", bridge);
    words_option(&w, "--tap", tap);
    words_forget(&w);
    if (is_switch(bridge) && *tap)
        take_off(bridge, tap);
}
