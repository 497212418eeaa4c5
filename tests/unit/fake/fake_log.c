// SPDX-License-Identifier: MIT
// See fake_log.h.
#include "fake_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/console.h"

char fake_log[16384];
char fake_loglvl[64];
char fake_guest_loglvl[64];

void fake_log_clear(void)
{
    fake_log[0] = '\0';
}

size_t fake_log_lines(void)
{
    size_t lines = 0;

    for (const char *s = fake_log; *s; s++)
        lines += *s == '\n';
    return lines;
}

void printk(enum log_level level, const char *format, ...)
{
    size_t used = strlen(fake_log);
    va_list args;

    (void)level;
    va_start(args, format);
    if (used + 600 < sizeof(fake_log)) {
        vsnprintf(fake_log + used, 500, format, args);
        strcat(fake_log, "\n");
    }
    va_end(args);
}

struct console_threshold console_threshold, console_guest_threshold;

bool console_parse_threshold(const char *value, void *threshold)
{
    char *to = threshold == &console_threshold ? fake_loglvl : fake_guest_loglvl;

    if (strcmp(value, "none") && strcmp(value, "all") && strcmp(value, "error/info"))
        return false;
    snprintf(to, sizeof(fake_loglvl), "%s", value);
    return true;
}
