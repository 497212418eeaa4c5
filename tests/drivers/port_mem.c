// SPDX-License-Identifier: MIT
#include "drivers/port_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct port_mem *mem_of(struct net_port *p)
{
    return (struct port_mem *)(void *)((char *)p - offsetof(struct port_mem, port));
}

static int mem_send(struct net_port *port, const void *frame, size_t size)
{
    struct port_mem *p = mem_of(port);
    unsigned at = (p->first + p->nr) % PORT_MEM_FRAMES;

    if (size > PORT_MEM_ROOM) {
        abort();
    }
    p->end = p->nr ? p->end : p->room;
    if (p->is_full || p->nr == PORT_MEM_FRAMES || p->end + size > p->room + PORT_MEM_FRAMES * PORT_MEM_ROOM) {
        return -EAGAIN;
    }
    memcpy(p->end, frame, size);
    p->frames[at] = p->end;
    p->size[at] = (uint32_t)size;
    p->end += size;
    p->nr++;
    return 0;
}

static ssize_t mem_receive(struct net_port *port, void *frame, size_t room)
{
    struct port_mem *p = mem_of(port);

    if (p->nr == 0) {
        return p->error ? p->error : -EAGAIN;
    }
    size_t size = p->size[p->first] < room ? p->size[p->first] : room;
    memcpy(frame, p->frames[p->first], size);
    p->first = (p->first + 1) % PORT_MEM_FRAMES;
    p->nr--;
    return (ssize_t)size;
}

void port_mem_init(struct port_mem *p)
{
    static const struct net_port_ops ops = { .send = mem_send, .receive = mem_receive };

    *p = (struct port_mem){ .port = { .ops = &ops, .fd = -1 },
                            .room = calloc(PORT_MEM_FRAMES, PORT_MEM_ROOM) };
    if (!p->room) {
        abort();
    }
}

void port_mem_fini(struct port_mem *p)
{
    free(p->room);
}
