// SPDX-License-Identifier: MIT
// The formatting functions that C's library does not have (lib/printf.h). Apart from lib/printf.c,
// because host tests take vsnprintf from their C library.
#include "lib/printf.h"

int vscnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    int length = vsnprintf(buffer, size, format, args);

    if (size == 0)
        return 0;
    return (size_t)length < size ? length : (int)(size - 1);
}

int scnprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vscnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
