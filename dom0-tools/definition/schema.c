// SPDX-License-Identifier: MIT
// The JSON Schema of a definition. It needs nothing of the readers, so that `vane` can print it without their libraries, which
// take longer to load than all else it does.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

char *json_lines(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2)), *line = text ? realloc(text, strlen(text) + 2) : NULL;

    json_decref(json);
    return line ? strcat(line, "\n") : NULL;
}

static json_t *type_schema(const struct type *type);

static json_t *choices_schema(const char *const *choices)
{
    json_t *all = json_array();

    for (; *choices; choices++)
        json_array_append_new(all, json_string(*choices));
    return all;
}

static json_t *field_schema(const struct field *f)
{
    json_t *to = json_pack("{ss}", "description", f->help);

    switch (f->type) {
    case FIELD_NUMBER:
    case FIELD_SIZE:
        json_object_update_new(to, json_pack("{ss sI sI}", "type", "integer", "minimum", (json_int_t)f->min,
                                             "maximum", (json_int_t)f->max));
        if (f->type == FIELD_NUMBER)
            json_object_set_new(to, "default", json_integer((json_int_t)f->fallback));
        break;
    case FIELD_FLAG:
        json_object_update_new(to, json_pack("{ss sb}", "type", "boolean", "default", 0));
        break;
    case FIELD_CHOICE:
        json_object_update_new(to, json_pack("{so ss}", "enum", choices_schema(f->choices), "default",
                                             f->choices[f->fallback]));
        break;
    case FIELD_LIST:
        json_object_update_new(to, json_pack("{ss sI so}", "type", "array", "maxItems", (json_int_t)f->max,
                                             "items", type_schema(f->items)));
        break;
    default:
        json_object_update_new(to, json_pack("{ss sI}", "type", "string", "maxLength", (json_int_t)f->max));
        // What is kept in lower case is read in any.
        if (f->rule && !f->lower)
            json_object_set_new(to, "pattern", json_string(f->rule->pattern));
        break;
    }
    return to;
}

static json_t *type_schema(const struct type *type)
{
    json_t *properties = json_object(), *needed = json_array();

    for (size_t i = 0; i < type->nr_fields; i++) {
        const struct field *f = &type->fields[i];

        if (!f->json)
            continue;
        json_object_set_new(properties, f->json, field_schema(f));
        if (f->needed)
            json_array_append_new(needed, json_string(f->json));
    }
    json_object_set_new(properties, "extra", json_pack("{ss ss s{ss}}", "description",
        "what libvirt's XML said and this model does not know, kept for the way back", "type", "array", "items",
        "type", "object"));
    return json_pack("{ss sb so so}", "type", "object", "additionalProperties", 0, "properties", properties,
                     "required", needed);
}

char *definition_schema(void)
{
    json_t *schema = type_schema(&definition_type);

    json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "title", json_string("a domain"));
    return json_lines(schema);
}
