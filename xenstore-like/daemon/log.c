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
    char date[32], text[900];
    time_t now = time(NULL);

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    vsnprintf(text, sizeof(text), format, args);
    // A log that cannot be written must not stop the store.
    (void)dprintf(STDERR_FILENO, "%s vane-stored: %s\n", date, text);
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
