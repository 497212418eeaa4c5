// SPDX-License-Identifier: MIT
// Runs a table of tests through CUnit, one result line each. A crash or a sanitizer's abort ends
// the program without further lines; the runner turns that into a failure, so nothing is caught here.
#include "unit_main.h"

#include <stdio.h>

#define MAX_SHOWN_FAILURES 5

// Prints "file:line: condition" of the failures recorded since the registry was set up.
static void print_failures(void)
{
    unsigned int shown = 0;

    for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext) {
        if (shown == MAX_SHOWN_FAILURES) {
            break;
        }
        printf("%s %s:%u: %s", shown ? ";" : "", f->strFileName, f->uiLineNumber, f->strCondition);
        shown++;
    }
}

// One registry per test keeps each test's failures apart from those of the tests before it.
static int run_one(const char *suite, const struct unit_test *test)
{
    int failed = 1;

    if (CU_initialize_registry() != CUE_SUCCESS) {
        printf("FAIL %s/%s: CUnit: %s\n", suite, test->name, CU_get_error_msg());
        return 1;
    }
    CU_pSuite s = CU_add_suite(suite, NULL, NULL);
    CU_pTest t = s ? CU_add_test(s, test->name, test->run) : NULL;
    if (!t || CU_run_test(s, t) != CUE_SUCCESS) {
        printf("FAIL %s/%s: CUnit: %s\n", suite, test->name, CU_get_error_msg());
    } else if (CU_get_number_of_failures() != 0) {
        printf("FAIL %s/%s:", suite, test->name);
        print_failures();
        printf("\n");
    } else if (CU_get_number_of_asserts() == 0) {
        printf("FAIL %s/%s: it asserts nothing\n", suite, test->name);
    } else {
        printf("PASS %s/%s\n", suite, test->name);
        failed = 0;
    }
    CU_cleanup_registry();
    return failed;
}

int unit_main(const char *suite, const struct unit_test *tests)
{
    unsigned int nr_tests = 0;
    unsigned int nr_failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const struct unit_test *test = tests; test->name; test++) {
        nr_tests++;
        nr_failed += run_one(suite, test) != 0;
    }
    return nr_tests == 0 || nr_failed != 0;
}
