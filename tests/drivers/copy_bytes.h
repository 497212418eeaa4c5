// SPDX-License-Identifier: MIT
// memcpy() of what a guest may change meanwhile. That is the guest's affair and no race of ours, so TSan is not to watch.
#pragma once

#include <string.h>

#ifdef __SANITIZE_THREAD__
static inline void copy_bytes(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
#else
#define copy_bytes memcpy
#endif
