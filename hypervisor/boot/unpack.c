// SPDX-License-Identifier: MIT
/* See boot/unpack.h. */
#include "boot/unpack.h"

long unpack_run(void *arg)
{
    struct unpack *u = arg;

    return image_unpack(u->module, u->module_size, &u->scratch, &u->elf, &u->elf_size, &u->why);
}
