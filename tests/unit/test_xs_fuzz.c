// SPDX-License-Identifier: MIT
// A short deterministic run of the store's fuzz target, over a session that uses every operation.
#include <string.h>

#include "mini.h"
#include "public/io/xs_wire.h"
#include "unit_main.h"

static uint8_t seed[4096];
static size_t seed_size;

// Payloads are written with '|' for the zero byte.
static void add(uint8_t conn, uint32_t type, uint32_t tx, const char *payload)
{
    seed[seed_size] = conn;
    seed[seed_size + 1] = (uint8_t)type;
    seed[seed_size + 2] = (uint8_t)tx;
    fuzz_put(seed + seed_size + 3, strlen(payload), 2);
    seed_size += 5;
    for (; *payload; payload++)
        seed[seed_size++] = *payload == '|' ? 0 : (uint8_t)*payload;
}

static void make_seed(void)
{
    add(0, XS_MKDIR, 0, "/local/domain/5/data|");
    add(0, XS_SET_PERMS, 0, "/local/domain/5/data|n5|r6|");
    add(1, XS_WATCH, 0, "data|token|");
    add(2, XS_WATCH, 0, "/local|t|1|");
    add(0, XS_WATCH, 0, "@releaseDomain|t|");
    add(1, XS_WRITE, 0, "data/a/b|value");
    add(2, XS_READ, 0, "/local/domain/5/data/a/b|");
    add(1, XS_TRANSACTION_START, 0, "|");
    add(1, XS_WRITE, 1, "data/t|1");
    add(1, XS_READ, 1, "data/a|");
    add(1, XS_RM, 1, "data/a|");
    add(1, XS_SET_PERMS, 1, "data/t|n5|b6|");
    add(0, XS_WRITE, 0, "/local/domain/5/data/z|1");
    add(1, XS_TRANSACTION_END, 1, "T|");
    add(0, XS_DIRECTORY, 0, "/local/domain/5/data|");
    add(0, XS_DIRECTORY_PART, 0, "/local|0|");
    add(0, XS_GET_PERMS, 0, "/local|");
    add(0, XS_INTRODUCE, 0, "5|1|1|");
    add(0, XS_SET_TARGET, 0, "5|6|");
    add(0, XS_RESUME, 0, "5|");
    add(0, XS_RELEASE, 0, "5|");
    add(0, XS_IS_DOMAIN_INTRODUCED, 0, "5|");
    add(1, XS_GET_DOMAIN_PATH, 0, "5|");
    add(0, XS_CONTROL, 0, "quota|set-domain|5|nodes|3|");
    add(0, XS_CONTROL, 0, "memreport|");
    add(0, 25, 0, "5|nodes|");
    add(0, 26, 0, "nodes|9|");
    add(0, XS_RM, 0, "/local|");
    add(1, XS_UNWATCH, 0, "data|token|");
    add(2, XS_RESET_WATCHES, 0, "|");
}

static void mutations(void)
{
    make_seed();
    CU_ASSERT(fuzz_mini(seed, seed_size, 1000) > 1000);
}

int main(void)
{
    static const struct unit_test tests[] = { { "mutations of a session", mutations }, { NULL, NULL } };

    return unit_main("xs_fuzz", tests);
}
