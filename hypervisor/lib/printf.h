// SPDX-License-Identifier: MIT
// Formatting into a buffer, the subset of C's that our texts use: conversions d u x s %, lengths l
// ll z, flags 0 (numbers) and # (u, x), a width, and a precision for strings. Another conversion is
// copied as it stands. Pure; takes no lock.
#pragma once

#include <stdarg.h>

#include "lib/base.h"

// Write at most size bytes, the last of them zero (nothing if size is 0), and return the length
// that was really written, without the zero: the sum of such calls stays in bounds.
int vscnprintf(char *buffer, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
int scnprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
