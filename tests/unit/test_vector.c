// SPDX-License-Identifier: MIT
// Choosing interrupt vectors: never one that is reserved or taken, the wanted one if it is free,
// spread over priority classes, and an end when all are taken.
#include "cpu/irq.h"
#include "cpu/vector.h"
#include "unit_main.h"

#define NR_DYNAMIC (LAST_DYNAMIC_VECTOR - FIRST_DYNAMIC_VECTOR + 1 - 2)

static void takes_each_once(void)
{
    struct vector_map map;
    bool seen[NR_VECTORS] = { false };

    vector_map_init(&map);
    for (unsigned i = 0; i < NR_DYNAMIC; i++) {
        unsigned vector = vector_take(&map, 0);

        CU_ASSERT_FATAL(vector >= FIRST_DYNAMIC_VECTOR && vector <= LAST_DYNAMIC_VECTOR);
        CU_ASSERT(vector != VECTOR_LEGACY_SYSCALL && vector != VECTOR_LEGACY_CMD);
        CU_ASSERT(!seen[vector]);
        seen[vector] = true;
    }
    CU_ASSERT(vector_take(&map, 0) == 0);
    CU_ASSERT(vector_take(&map, FIRST_DYNAMIC_VECTOR) == 0);
    vector_give(&map, 0x77);
    CU_ASSERT(vector_take(&map, 0) == 0x77);
}

static void prefers_the_wanted_one(void)
{
    struct vector_map map;

    vector_map_init(&map);
    CU_ASSERT(vector_take(&map, 0x61) == 0x61);
    CU_ASSERT(vector_take(&map, 0x61) != 0x61);
    CU_ASSERT(vector_take(&map, VECTOR_LEGACY_SYSCALL) != VECTOR_LEGACY_SYSCALL);
    CU_ASSERT(vector_take(&map, VECTOR_TIMER) != VECTOR_TIMER);
    CU_ASSERT(vector_take(&map, 100000) != 0);
}

static void spreads_over_classes(void)
{
    struct vector_map map;
    unsigned classes = 0;

    vector_map_init(&map);
    for (unsigned i = 0; i < 11; i++)
        classes |= 1u << (vector_take(&map, 0) >> 4);
    CU_ASSERT(__builtin_popcount(classes) >= 10);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "takes_each_once", takes_each_once },
        { "prefers_the_wanted_one", prefers_the_wanted_one },
        { "spreads_over_classes", spreads_over_classes },
        { NULL, NULL },
    };

    return unit_main("vector", tests);
}
