// SPDX-License-Identifier: MIT
// The example of a unit test program, and the proof that the frame can fail: a table with a failing
// test, one with a test that asserts nothing, and an empty table must all end with status 1.
#include "unit_main.h"

#include <stdio.h>
#include <unistd.h>

static void fails(void)
{
    CU_ASSERT_FATAL(1 + 1 == 3);
}

static void passes(void)
{
    CU_ASSERT(1 + 1 == 2);
}

static void asserts_nothing(void)
{
}

struct expectation {
    const char *name;
    struct unit_test tests[3];
    int status;
};

static const struct expectation expectations[] = {
    {"a_pass_is_0", {{"passes", passes}, {NULL, NULL}}, 0},
    {"a_failure_is_1", {{"fails", fails}, {"passes", passes}, {NULL, NULL}}, 1},
    {"no_assertion_is_1", {{"asserts_nothing", asserts_nothing}, {NULL, NULL}}, 1},
    {"no_test_is_1", {{NULL, NULL}}, 1},
};

// Runs an inner table with its result lines hidden, since its failures are wanted.
static int status_of(const struct unit_test *tests)
{
    int out = dup(STDOUT_FILENO);

    if (out < 0 || !freopen("/dev/null", "w", stdout)) {
        return -1;
    }
    int status = unit_main("inner", tests);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    return status;
}

// Not itself a table for unit_main(): CUnit keeps one registry, so the calls must not nest.
int main(void)
{
    int rc = 0;

    for (unsigned int i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        const struct expectation *e = &expectations[i];
        int status = status_of(e->tests);
        if (status == e->status) {
            printf("PASS unit_main/%s\n", e->name);
        } else {
            printf("FAIL unit_main/%s: status %d, expected %d\n", e->name, status, e->status);
            rc = 1;
        }
        fflush(stdout);
    }
    return rc;
}
