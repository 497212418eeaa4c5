// SPDX-License-Identifier: MIT
// The ring of a guest's console: bytes go through in order, past the wrap, and positions that a hostile guest writes stop it.
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/lib/console.h"
#include "public/io/console.h"
#include "unit_main.h"

static struct xencons_interface ring;

static void guest_writes(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ring.out[ring.out_prod++ % sizeof(ring.out)] = text[i];
}

// A million bytes in pieces of all sizes, from just before the positions wrap.
static void in_order(void)
{
    char text[2048], got[2048];
    uint8_t next_in = 0, next_out = 0;
    size_t length;

    memset(&ring, 0, sizeof(ring));
    ring.out_cons = ring.out_prod = ring.in_cons = ring.in_prod = UINT32_MAX - 5000;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        size_t size = (size_t)rand() % 2049, take = (size_t)rand() % 2049, room = 2048 - (ring.out_prod - ring.out_cons);

        size = size < room ? size : room;
        for (size_t i = 0; i < size; i++)
            text[i] = (char)next_in++;
        guest_writes(text, size);
        CU_ASSERT_FATAL(console_take(&ring, got, take, &length));
        CU_ASSERT_FATAL(length <= take);
        for (size_t i = 0; i < length; i++)
            CU_ASSERT_FATAL((uint8_t)got[i] == next_out++);
    }
    CU_ASSERT(ring.out_cons < 1u << 31);
}

static void to_the_guest(void)
{
    char text[1500];
    size_t length;

    memset(&ring, 0, sizeof(ring));
    ring.in_cons = ring.in_prod = UINT32_MAX - 10;
    memset(text, 'x', sizeof(text));
    CU_ASSERT(console_give(&ring, text, sizeof(text), &length));
    CU_ASSERT_EQUAL(length, sizeof(ring.in));
    CU_ASSERT(console_give(&ring, text, 1, &length));
    CU_ASSERT_EQUAL(length, 0);
    ring.in_cons += 7;
    CU_ASSERT(console_give(&ring, text, 20, &length));
    CU_ASSERT_EQUAL(length, 7);
    CU_ASSERT_EQUAL(ring.out[0], 0);
}

static void hostile(void)
{
    char text[4096];
    size_t length;

    memset(&ring, 0, sizeof(ring));
    ring.out_prod = sizeof(ring.out) + 1;
    CU_ASSERT_FALSE(console_take(&ring, text, sizeof(text), &length));
    CU_ASSERT_EQUAL(ring.out_cons, 0);
    ring.out_prod = UINT32_MAX;
    CU_ASSERT_FALSE(console_take(&ring, text, sizeof(text), &length));
    ring.in_cons = 1;
    CU_ASSERT_FALSE(console_give(&ring, text, 1, &length));
    CU_ASSERT_EQUAL(length, 0);
}

// The guest is told of what moved, and of nothing else.
static unsigned nr_notified;

int xen_notify(struct xen_devices *xen, unsigned port)
{
    (void)xen;
    CU_ASSERT_EQUAL(port, 7);
    nr_notified++;
    return 0;
}

// Not of use here.
void *xen_map_grant(struct xen_devices *xen, unsigned domid, uint32_t reference)
{
    (void)xen, (void)domid, (void)reference;
    return NULL;
}

int xen_unmap_grant(struct xen_devices *xen, void *page)
{
    (void)xen, (void)page;
    return 0;
}

int xen_bind_interdomain(struct xen_devices *xen, unsigned domid, unsigned port)
{
    (void)xen, (void)domid, (void)port;
    return 0;
}

int xen_unbind(struct xen_devices *xen, unsigned port)
{
    (void)xen, (void)port;
    return 0;
}

static void notifies(void)
{
    struct console_end console = { .ring = &ring, .port = 7 };
    struct xen_devices xen = { .evtchn = -1 };
    struct vane_error error;
    size_t length = 0;
    char text[8];

    memset(&ring, 0, sizeof(ring));
    CU_ASSERT_EQUAL(console_write(&console, &xen, "a", 1, &length, &error), 0);
    CU_ASSERT_EQUAL(nr_notified, 1);
    length = 5;
    CU_ASSERT_EQUAL(console_read(&console, &xen, text, sizeof(text), &length, &error), 0);
    CU_ASSERT_EQUAL(nr_notified, 1);
    ring.out_prod = 1;
    length = 0;
    CU_ASSERT_EQUAL(console_read(&console, &xen, text, sizeof(text), &length, &error), 0);
    CU_ASSERT_EQUAL(nr_notified, 2);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "in_order", in_order },
        { "to_the_guest", to_the_guest },
        { "hostile", hostile },
        { "notifies", notifies },
        { NULL, NULL },
    };

    return unit_main("vane_console", tests);
}
