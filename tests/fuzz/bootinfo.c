// SPDX-License-Identifier: MIT
// boot/bootinfo.c: the input is physical memory from 0x1000 on, its first byte chooses the version.
#include "boot/bootinfo.h"
#include "boot/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "mini.h"

#define BASE 0x1000u

static const uint8_t *memory;
static size_t memory_size;

const void *boot_map(paddr_t start, size_t size)
{
    if (!memory)
        return unit_map(start, size);
    if (start < BASE || start - BASE > memory_size || size > memory_size - (start - BASE))
        return NULL;
    return memory + (start - BASE);
}

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check(const struct bootinfo *b)
{
    require(b->nr_modules <= BOOT_MAX_MODULES && b->nr_ranges <= BOOT_MAX_RANGES);
    require(memchr(b->cmdline, 0, sizeof(b->cmdline)) != NULL);
    require(memchr(b->loader, 0, sizeof(b->loader)) != NULL);
    for (unsigned i = 0; i < b->nr_modules; i++) {
        const struct boot_module *m = &b->modules[i];

        require(memchr(m->cmdline, 0, sizeof(m->cmdline)) != NULL);
        require(!m->size || boot_map(m->start, m->size) != NULL);
    }
    for (unsigned i = 0; i < b->nr_ranges; i++) {
        const struct boot_range *r = &b->ranges[i];

        require(r->size && r->start + r->size > r->start);
        require(r->type >= E820_RAM && r->type <= E820_UNUSABLE);
        require(!i || r[-1].start + r[-1].size <= r->start);
        require(!i || r[-1].start + r[-1].size < r->start || r[-1].type != r->type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bootinfo info;
    const char *why;
    uint32_t magic;

    if (!size)
        return 0;
    magic = data[0] & 1 ? MULTIBOOT1_LOADER_MAGIC : MULTIBOOT2_LOADER_MAGIC;
    memory = data + 1;
    memory_size = size - 1;
    why = bootinfo_parse(magic, BASE, &info);
    if (!why)
        check(&info);
    else
        require(strchr(why, ':') != NULL);
    memory = NULL;
    return 0;
}
