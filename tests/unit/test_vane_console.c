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

int main(void)
{
    static const struct unit_test tests[] = {
        { "in_order", in_order },
        { "to_the_guest", to_the_guest },
        { "hostile", hostile },
        { NULL, NULL },
    };

    return unit_main("vane_console", tests);
}
