// SPDX-License-Identifier: MIT
// The one entry point of every unit test program. A program lists its tests and calls unit_main(),
// which runs each through CUnit and prints one PASS or FAIL line for it, as tests/README.md says.
#pragma once

#include <CUnit/CUnit.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

// Runs the tests up to the row whose name is NULL, each named "suite/name" in the output. Returns
// the program's exit status: 0 if there was at least one test and all passed.
int unit_main(const char *suite, const struct unit_test *tests);
