// SPDX-License-Identifier: MIT
// What holds for any definition that was taken: as XML and as JSON it is taken again, and says the same.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "dom0-tools/definition/definition.h"
#include "mini.h"

static char *fuzz_read_again(char *text)
{
    struct vane_error error;
    struct definition d;
    char *ignored, *xml;

    if (!text || definition_read(&d, text, strlen(text), &ignored, &error))
        abort();
    xml = definition_write_xml(&d);
    definition_fini(&d);
    free(text);
    return xml;
}

static void fuzz_definition(struct definition *d, int rc, const struct vane_error *error)
{
    char *xml, *by_xml, *by_json;

    if (rc == 0) {
        xml = definition_write_xml(d);
        by_json = fuzz_read_again(definition_write_json(d));
        by_xml = fuzz_read_again(strdup(xml));
        if (strcmp(xml, by_xml) != 0 || strcmp(xml, by_json) != 0)
            abort();
        free(xml);
        free(by_xml);
        free(by_json);
    } else if (rc != -(int)error->kind || !error->text[0]) {
        abort();
    }
    definition_fini(d);
}
