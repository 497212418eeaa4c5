// SPDX-License-Identifier: MIT
//
// As much of a C library as kernels without one use here.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void *memset(void *p, int c, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);

// printf's useful half: %s %c %d %u %x %p, widths, a fill of 0, l and z. Cuts what does not fit, always
// ends with a zero, returns the length. `size` is not 0.
int format(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vformat(char *to, size_t size, const char *fmt, va_list ap);
