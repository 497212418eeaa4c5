// SPDX-License-Identifier: MIT
// Small objects of the hypervisor: size classes cut from single pages, anything above half a page
// in whole pages. Objects may come from anywhere in memory and lie in the direct map. One lock
// (LOCK_HEAP); not for interrupt handlers.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

// size bytes of zeros, aligned to align (a power of two; 0 or up to 16 is what every object has),
// or NULL. What a guest can make us allocate, its domain's limits must bound.
void *heap_alloc(size_t size, size_t align) MUST_CHECK;

// Give an object back; NULL is nothing. Debug builds fill it with a pattern and look at the pattern
// before the memory is used again.
void heap_free(void *object);

#define heap_new(type) ((type *)heap_alloc(sizeof(type), _Alignof(type)))
