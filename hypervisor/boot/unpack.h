// SPDX-License-Identifier: MIT
/* image_unpack() as a call with one argument, for call_on_stack(): compiled with the decoders, on their kind of stack. */
#pragma once
#include "boot/image.h"

struct unpack {
    const uint8_t *module;
    size_t module_size;
    struct arena scratch;
    const uint8_t *elf;           /* results */
    size_t elf_size;
    const char *why;
};

long unpack_run(void *arg);       /* struct unpack *; image_unpack()'s result */
