// SPDX-License-Identifier: MIT
//
// As much of a C library as kernels without one use here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bus/text.h"

void *memset(void *p, int c, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
