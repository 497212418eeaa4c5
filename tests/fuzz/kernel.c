// SPDX-License-Identifier: MIT
// dom0-tools/lib/image_parse.c and image_codec.c: the input is a guest's kernel file. The room for output is small, so
// that a bomb is refused quickly; what lies behind it must stay untouched (the sanitizer watches it). What a plan promises
// must be true, and so must what the builder makes of it.
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/lib/build.h"
#include "mini.h"

enum { ROOM = 1 << 16 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_layout(const struct image_plan *plan, uint64_t pages, uint64_t initramfs)
{
    struct build_layout l;

    if (plan->end > (UINT64_C(1) << 32))
        return;
    build_plan(plan, pages, initramfs, &l);
    require(l.start_info >= plan->end >> 12 && l.stack < l.mapped_end && l.mapped_end <= l.end);
    require(plan->module_by_frame ? l.initramfs >= l.mapped_end : l.initramfs + l.initramfs_pages <= l.start_info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_room elf = { malloc(ROOM), ROOM, 0 };
    struct vane_error error = { VANE_OK, "" };
    struct image_plan plan;
    int rc;

    require(elf.at != NULL);
    rc = image_parse(data, size, &elf, &plan, &error);
    require(elf.size <= ROOM);
    if (rc) {
        require(rc == -(int)error.kind && strstr(error.text, "kernel: ") == error.text);
    } else {
        require(image_plan_is_sound(&plan, elf.size));
        require(plan.entry - plan.virt_base < plan.end);
        check_layout(&plan, 1 << 14, 0);
        check_layout(&plan, 1 << 20, 5000000);
    }
    free(elf.at);
    return 0;
}
