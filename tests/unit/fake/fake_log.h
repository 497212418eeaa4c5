// SPDX-License-Identifier: MIT
// Stand-in for lib/console.c in tests of code whose messages matter: keeps the lines, prints nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// All lines since the last fake_log_clear(), each ended by a newline.
extern char fake_log[16384];
size_t fake_log_lines(void);
void fake_log_clear(void);

// What console_parse_threshold() was last given for each of the two.
extern char fake_loglvl[64];
extern char fake_guest_loglvl[64];
