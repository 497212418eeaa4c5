// SPDX-License-Identifier: MIT
/*
 * Choosing interrupt vectors: which of a CPU's are taken. Pure; the caller's lock guards the map.
 */
#pragma once
#include "lib/bitmap.h"
#include "lib/types.h"

#define NR_VECTORS 256u

struct vector_map {
    DECLARE_BITMAP(used, NR_VECTORS);
};

/* All but the dynamic vectors are taken from the start. */
void vector_map_init(struct vector_map *map);
/*
 * Take a dynamic vector: `wanted` if it is free, else one whose priority class (upper four bits) is
 * least crowded, because a local APIC holds back equal classes. 0: none is left.
 */
unsigned vector_take(struct vector_map *map, unsigned wanted);
void vector_give(struct vector_map *map, unsigned vector);
