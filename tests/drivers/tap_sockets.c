// SPDX-License-Identifier: MIT
//
// Sockets that keep messages apart in place of a TAP device: "--tap sockets:N" is the first of those that the
// process inherits, one a queue. The linker leads the program's calls here (--wrap); those for real devices go on.
#include "net/tap.h"

#include <stdio.h>

int __real_tap_open(struct tap *t, const struct tap_options *o, char *why, size_t why_size);
int __real_tap_connect(struct tap *t, const struct net_abilities *front, unsigned nr_queues);
void __real_tap_disconnect(struct tap *t);
bool __real_tap_is_up(const struct tap *t);
int __wrap_tap_open(struct tap *t, const struct tap_options *o, char *why, size_t why_size);
int __wrap_tap_connect(struct tap *t, const struct net_abilities *front, unsigned nr_queues);
void __wrap_tap_disconnect(struct tap *t);
bool __wrap_tap_is_up(const struct tap *t);

static bool is_socket(const struct tap *t)
{
    return t->control_fd < 0;
}

int __wrap_tap_open(struct tap *t, const struct tap_options *o, char *why, size_t why_size)
{
    int first;

    if (sscanf(o->name, "sockets:%d", &first) != 1) {
        return __real_tap_open(t, o, why, why_size);
    }
    *t = (struct tap){ .name = "socket", .control_fd = -1, .nr_queues = o->nr_queues };
    for (unsigned i = 0; i < o->nr_queues; i++) {
        t->fds[i] = first + (int)i;
    }
    return 0;
}

int __wrap_tap_connect(struct tap *t, const struct net_abilities *front, unsigned nr_queues)
{
    return is_socket(t) ? 0 : __real_tap_connect(t, front, nr_queues);
}

void __wrap_tap_disconnect(struct tap *t)
{
    if (!is_socket(t)) {
        __real_tap_disconnect(t);
    }
}

bool __wrap_tap_is_up(const struct tap *t)
{
    return is_socket(t) || __real_tap_is_up(t);
}
