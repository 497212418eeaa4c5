// SPDX-License-Identifier: MIT
// The reader of libvirt's domain XML; what it takes must come back whole (definition.h).
#include "definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct vane_error error;
    struct definition d;
    int rc = definition_read_xml(&d, text, size, &error);

    fuzz_definition(&d, rc, &error);
    return 0;
}
