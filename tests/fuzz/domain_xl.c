// SPDX-License-Identifier: MIT
// The reader of xl.cfg files; what it takes must come back whole (definition.h).
#include "definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct vane_error error;
    struct definition d;
    char *ignored;
    int rc = definition_read_xl(&d, text, size, &ignored, &error);

    free(ignored);
    fuzz_definition(&d, rc, &error);
    return 0;
}
