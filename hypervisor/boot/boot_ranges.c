// SPDX-License-Identifier: MIT
/*
 * A sweep over the edges of all ranges: between two neighbouring edges the type is constant, namely
 * that of the most restrictive range there. Quadratic, but maps have a dozen entries and at most
 * BOOT_MAX_RANGES.
 */
#include "boot/boot_ranges.h"

#include "lib/compiler.h"
#include "lib/string.h"

#define MAX_EDGES (2 * BOOT_MAX_RANGES)

/* Used once, before other CPUs run; too large for the boot stack. */
static INITDATA uint64_t edges[MAX_EDGES];
static INITDATA struct boot_range result[BOOT_MAX_RANGES];

/* How much a type takes away, for overlaps. RAM that is also something else is not RAM. */
static unsigned int INIT restrictiveness(uint32_t type)
{
    static const uint8_t rank[] = {
        [E820_RAM] = 1, [E820_ACPI] = 2, [E820_NVS] = 3, [E820_RESERVED] = 4, [E820_UNUSABLE] = 5,
    };

    return type < sizeof(rank) ? rank[type] : rank[E820_RESERVED];
}

static uint64_t INIT range_end(const struct boot_range *r)
{
    return r->size > UINT64_MAX - r->start ? UINT64_MAX : r->start + r->size;
}

/* Inserts into the sorted `edges`; equal ones are kept once. */
static unsigned int INIT add_edge(unsigned int nr, uint64_t edge)
{
    unsigned int i = nr;

    while (i && edges[i - 1] > edge)
        i--;
    if (i && edges[i - 1] == edge)
        return nr;
    memmove(&edges[i + 1], &edges[i], (nr - i) * sizeof(edges[0]));
    edges[i] = edge;
    return nr + 1;
}

/* The type of [start, end), which no edge divides; 0: nobody claims it. */
static uint32_t INIT type_between(const struct boot_range *ranges, unsigned int nr, uint64_t start,
                                  uint64_t end)
{
    uint32_t type = 0;
    unsigned int best = 0;

    for (unsigned int i = 0; i < nr; i++) {
        unsigned int rank = restrictiveness(ranges[i].type);

        if (ranges[i].start <= start && range_end(&ranges[i]) >= end && rank > best) {
            type = ranges[i].type;
            best = rank;
        }
    }
    return type;
}

bool INIT boot_ranges_sanitize(struct boot_range *ranges, unsigned int *nr)
{
    unsigned int nr_edges = 0, nr_result = 0;
    bool is_cut = false;

    for (unsigned int i = 0; i < *nr; i++) {
        nr_edges = add_edge(nr_edges, ranges[i].start);
        nr_edges = add_edge(nr_edges, range_end(&ranges[i]));
    }
    for (unsigned int i = 1; i < nr_edges; i++) {
        uint64_t start = edges[i - 1], size = edges[i] - start;
        uint32_t type = type_between(ranges, *nr, start, edges[i]);
        struct boot_range *last = nr_result ? &result[nr_result - 1] : NULL;

        if (!type)
            continue;
        if (last && last->type == type && last->start + last->size == start)
            last->size += size;
        else if (nr_result < BOOT_MAX_RANGES)
            result[nr_result++] = (struct boot_range){ .start = start, .size = size, .type = type };
        else
            is_cut = true;
    }
    memcpy(ranges, result, nr_result * sizeof(result[0]));
    *nr = nr_result;
    return is_cut;
}
