// SPDX-License-Identifier: MIT
/*
 * Choosing interrupt vectors. See vector.h.
 */
#include "cpu/vector.h"

#include "cpu/irq.h"
#include "lib/string.h"

#define CLASS_SIZE 16u

void vector_map_init(struct vector_map *map)
{
    memset(map->used, 0, sizeof(map->used));
    for (unsigned vector = 0; vector < NR_VECTORS; vector++) {
        if (vector < FIRST_DYNAMIC_VECTOR || vector > LAST_DYNAMIC_VECTOR)
            bitmap_set(map->used, vector);
    }
    bitmap_set(map->used, VECTOR_LEGACY_SYSCALL);
    bitmap_set(map->used, VECTOR_LEGACY_CMD);
}

static unsigned class_free(const struct vector_map *map, unsigned class)
{
    unsigned nr_free = 0;

    for (unsigned vector = class * CLASS_SIZE; vector < (class + 1) * CLASS_SIZE; vector++)
        nr_free += !bitmap_test(map->used, vector);
    return nr_free;
}

static unsigned emptiest_class(const struct vector_map *map)
{
    unsigned best = 0, best_free = 0;

    for (unsigned class = 0; class < NR_VECTORS / CLASS_SIZE; class++) {
        unsigned nr_free = class_free(map, class);

        if (nr_free > best_free) {
            best = class;
            best_free = nr_free;
        }
    }
    return best;
}

unsigned vector_take(struct vector_map *map, unsigned wanted)
{
    unsigned vector = wanted;

    if (vector >= NR_VECTORS || bitmap_test(map->used, vector)) {
        unsigned class = emptiest_class(map);

        vector = (unsigned)bitmap_find_next_zero(map->used, NR_VECTORS, class * CLASS_SIZE);
        if (vector >= NR_VECTORS)
            return 0;
    }
    bitmap_set(map->used, vector);
    return vector;
}

void vector_give(struct vector_map *map, unsigned vector)
{
    bitmap_clear(map->used, vector);
}
