// SPDX-License-Identifier: MIT
/* To the hypervisor's console by console_io. A line goes out in one call. */
#include <stdarg.h>

#include "kit/kit.h"

void print(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vformat(line, sizeof(line), fmt, ap);
    va_end(ap);
    hyp_console_io(CONSOLEIO_write, (unsigned int)n, line);
}
