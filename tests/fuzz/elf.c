// SPDX-License-Identifier: MIT
// boot/elf.c: the input is a kernel file. What a plan promises to its loader must be true.
#include "boot/elf.h"

#include <stdlib.h>
#include <string.h>

#include "mini.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_segment(const struct elf_plan *plan, const struct elf_segment *s, size_t size)
{
    uint64_t va = plan->virt_base + s->paddr;

    require(s->file_offset <= size && s->file_size <= size - s->file_offset);
    require(s->file_size <= s->mem_size);
    require(s->paddr + s->mem_size <= plan->paddr_end);
    require(s->paddr + s->mem_size >= s->paddr);
    require(va >= plan->virt_base);
    require(va + s->mem_size <= 0x0000800000000000 ||
            (va >= 0xffff880000000000 && va + s->mem_size >= va));
    require(s == plan->segments || s[-1].paddr + s[-1].mem_size <= s->paddr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_plan plan;
    const char *why = elf_plan(data, size, &plan);

    if (why) {
        require(strchr(why, ':') != NULL);
        return 0;
    }
    require(plan.nr_segments >= 1 && plan.nr_segments <= ELF_MAX_SEGMENTS);
    for (unsigned i = 0; i < plan.nr_segments; i++)
        check_segment(&plan, &plan.segments[i], size);
    require(plan.entry - plan.virt_base >= plan.segments[0].paddr &&
            plan.entry - plan.virt_base < plan.paddr_end);
    require((plan.features_required & ~plan.features_supported) == 0);
    return 0;
}
