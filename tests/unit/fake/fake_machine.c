// SPDX-License-Identifier: MIT
// The state behind the fakes (fake_machine.h). Linked into tests that use frames, locks or per-CPU
// data; no test of it, the tests that use it fail if it is wrong.
#include "fake_machine.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu/percpu.h"
#include "mm/frame.h"
#include "mm/layout.h"

_Thread_local unsigned fake_cpu;
bool fake_irqs_off[MAX_CPUS];
struct vcpu *fake_current[MAX_CPUS];
struct cpu_user_regs *fake_guest_regs[MAX_CPUS];
struct cpu_info fake_cpu_info[MAX_CPUS];

struct frame *frame_table;
uint64_t max_mfn;

static uint8_t *memory;
static uint64_t memory_start;

void fake_memory_create(uint64_t nr_frames, uint64_t first_backed)
{
    free(frame_table);
    free(memory);
    frame_table = calloc(nr_frames, sizeof(*frame_table));
    memory_start = first_backed * PAGE_SIZE;
    memory = aligned_alloc(PAGE_SIZE, (nr_frames - first_backed) * PAGE_SIZE);
    if (!frame_table || !memory) {
        fprintf(stderr, "fake_memory_create: out of memory\n");
        exit(1);
    }
    max_mfn = nr_frames;
}

// Outside of the backed range the pointer is bad, and the sanitizer reports its use.
void *direct_map(paddr_t address)
{
    return memory + (address - memory_start);
}

paddr_t direct_map_paddr(const void *va)
{
    return (paddr_t)((const uint8_t *)va - memory) + memory_start;
}
