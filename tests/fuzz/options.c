// SPDX-License-Identifier: MIT
// boot/options.c: the input is a command line. Every word must be understood or reported once.
#include "boot/options.h"

#include <stdlib.h>
#include <string.h>

#include "fake_log.h"
#include "mini.h"

static int is_blank(char c)
{
    return c > 0 && c <= ' ';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    size_t words = 0;

    if (!line)
        abort();
    memcpy(line, data, size);
    line[size] = '\0';
    for (const char *s = line; *s; s++)
        words += !is_blank(*s) && (s == line || is_blank(s[-1]));
    fake_log_clear();
    options_parse(line);
    if (fake_log_lines() > words)
        abort();
    if (options.com1.io_base == 0 || options.com1.stop_bits < 1 ||
        options.com1.stop_bits > 2 ||
        options.dom0_max_vcpus.min > options.dom0_max_vcpus.max)
        abort();
    free(line);
    return 0;
}
