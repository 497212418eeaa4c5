// SPDX-License-Identifier: MIT
// pv/page_type.c and what guests reach it by: the input is a guest's choices, the oracle that of the
// unit test, whose machine and guest this is.
#define main page_type_unit_main
int page_type_unit_main(void);
#include "../unit/test_page_type.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    script = data + 1;
    script_left = size - 1;
    machine_create(data[0]);
    while (script_left && !failures)
        step();
    if (failures)
        abort();
    return 0;
}
