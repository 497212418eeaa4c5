// SPDX-License-Identifier: MIT
// Objects of the hypervisor: whole pages, since there are a dozen for a domain and few are small.
// They may come from anywhere in memory and lie in the direct map. Not for interrupt handlers.
#pragma once
#include "lib/base.h"

// size bytes of zeros at the beginning of a page, or NULL. What a guest can make us allocate, its
// domain's limits must bound.
void *heap_alloc(size_t size) MUST_CHECK;

// Give an object back; NULL is nothing.
void heap_free(void *object);

#define heap_new(type) ((type *)heap_alloc(sizeof(type)))
