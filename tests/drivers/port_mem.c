// SPDX-License-Identifier: MIT
#include "drivers/port_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// As the real port has them: a frame begins with a page, its header lies before it.
#define FRAME_AT 4096u
#define RECEIVED_ROOM (FRAME_AT + (NET_MAX_FRAME + 4095u) / 4096u * 4096u)

static struct port_mem *mem_of(struct net_port *p)
{
    return (struct port_mem *)(void *)((char *)p - offsetof(struct port_mem, port));
}

static int keep(struct port_mem *p, const void *frame, uint32_t size)
{
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
    p->size[at] = size;
    p->end += size;
    p->nr++;
    return (int)size;
}

static void mem_send(struct net_port *port, struct net_sent *list, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        list[i].result = keep(mem_of(port), list[i].frame, list[i].size);
    }
}

int port_mem_put(struct port_mem *p, const void *frame, uint32_t size)
{
    return keep(p, frame, size) == (int)size ? 0 : -EAGAIN;
}

static ssize_t mem_receive(struct net_port *port, uint8_t **frame)
{
    struct port_mem *p = mem_of(port);

    if (p->nr == 0) {
        return p->error ? p->error : -EAGAIN;
    }
    uint32_t size = p->size[p->first];
    uint8_t *to = p->received + (size_t)(p->nr_received++ % NET_MAX_BATCH) * RECEIVED_ROOM;
    memcpy(to + FRAME_AT - sizeof(struct virtio_net_hdr), p->frames[p->first], size);
    *frame = to + FRAME_AT;
    p->first = (p->first + 1) % PORT_MEM_FRAMES;
    p->nr--;
    return (ssize_t)size;
}

void port_mem_init(struct port_mem *p)
{
    static const struct net_port_ops ops = { .send = mem_send, .receive = mem_receive };

    *p = (struct port_mem){ .port = { .ops = &ops },
                            .room = calloc(PORT_MEM_FRAMES, PORT_MEM_ROOM),
                            .received = aligned_alloc(4096, NET_MAX_BATCH * RECEIVED_ROOM) };
    if (!p->room || !p->received) {
        abort();
    }
}

void port_mem_fini(struct port_mem *p)
{
    free(p->room);
    free(p->received);
}
