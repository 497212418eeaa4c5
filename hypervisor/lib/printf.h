// SPDX-License-Identifier: MIT
// Formatting into a buffer, a subset of C's: conversions d i u x X s c p %, lengths hh h l ll z j t,
// flags - 0 # + space, width and precision, both also as *. No floating point, no %n.
// An unknown conversion is copied as it stands. Pure; takes no lock.
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/compiler.h"

// Write at most size bytes, the last of them zero (nothing if size is 0), and return the length that
// the whole text has or would have had.
int vsnprintf(char *buffer, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
int snprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

// The same, but return the length that was really written: the sum of such calls stays in bounds.
int vscnprintf(char *buffer, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
int scnprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
