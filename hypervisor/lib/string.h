// SPDX-License-Identifier: MIT
// Strings and memory blocks. The standard names mean what C says; in ring 0 they come from
// lib/mem.c, on the host from the C library. Never used on guest memory: that is
// core/guest_copy.h's.
#pragma once

#include <stdarg.h>

#include "lib/compiler.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

// Freestanding code gets no inlining of small constant sizes unless it asks for it.
#if __STDC_HOSTED__ == 0
#define memcpy(to, from, n) __builtin_memcpy(to, from, n)
#define memset(to, byte, n) __builtin_memset(to, byte, n)
#endif

// Read a number, decimal or hexadecimal behind 0x, at *s and move *s behind its last digit. False,
// with *s and *out untouched, if there is no digit or the value does not fit. Takes no sign and
// skips no space.
bool parse_u64(const char **s, uint64_t *out);

// Formatting into a buffer, the subset of C's that our texts use: conversions d u x s %, lengths l
// ll z, flags 0 (numbers) and # (u, x), a width, and a precision for strings. Another conversion is
// copied as it stands. Pure; takes no lock. (lib/printf.c)
//
// Write at most size bytes, the last of them zero (nothing if size is 0), and return the length
// that was really written, without the zero: the sum of such calls stays in bounds.
int vscnprintf(char *buffer, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
int scnprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
