// SPDX-License-Identifier: MIT
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

bool log_requests;

static void put(const char *format, va_list args)
{
    char line[1024];
    struct timespec now;
    struct tm date;
    size_t length;
    int size;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    length = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ vane-stored: ", &date);
    size = vsnprintf(line + length, sizeof(line) - length - 1, format, args);
    if (size > 0)
        length += (size_t)size < sizeof(line) - length - 1 ? (size_t)size : sizeof(line) - length - 2;
    line[length++] = '\n';
    // A log that cannot be written must not stop the store.
    if (write(STDERR_FILENO, line, length) < 0)
        return;
}

void log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put(format, args);
    va_end(args);
}

void log_fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put(format, args);
    va_end(args);
    _exit(70);
}
