// SPDX-License-Identifier: MIT
// A short run of the fuzz target that this is linked with, from its seed in tests/fuzz/seeds.
#include <stdio.h>
#include <stdlib.h>

#include "mini.h"
#include "unit_main.h"

static void test_seed(void)
{
    static uint8_t seed[65536];
    const char *top = getenv("PV_SRC");
    char path[4096];
    size_t size;
    FILE *f;

    snprintf(path, sizeof(path), "%s/tests/fuzz/seeds/%s", top ? top : ".", TARGET);
    f = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    size = fread(seed, 1, sizeof(seed), f);
    fclose(f);
    CU_ASSERT_FATAL(size > 0 && size < sizeof(seed));
    printf("%lu inputs\n", fuzz_mini(seed, size, 3000));
}

int main(void)
{
    static const struct unit_test tests[] = { { TARGET, test_seed }, { NULL, NULL } };

    return unit_main("fuzz", tests);
}
