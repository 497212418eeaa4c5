// SPDX-License-Identifier: MIT
// The JSON form.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

struct reader {
    const char *text;               // for the line of a refusal; closed by a zero byte
    struct where *where;
};

// The line of a member, by what its path names: the text is known to be JSON. Arrays count commas on their
// level, objects look for keys on theirs.
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += *at == '\\' && at[1];
    return at;
}

static const char *find_step(const char *at, const char *key, size_t length, size_t index)
{
    int depth = 0;

    for (; *at; at++) {
        if (*at == '"') {
            const char *end = skip_string(at);

            if (depth == 1 && key && (size_t)(end - at - 1) == length && memcmp(at + 1, key, length) == 0 &&
                end[1 + strspn(end + 1, " \t\r\n")] == ':')
                return end + 2 + strspn(end + 1, " \t\r\n");
            at = end;
        } else if (*at == '[' || *at == '{') {
            if (++depth == 1 && !key && index == 0)
                return at + 1;
        } else if ((*at == ']' || *at == '}') && --depth == 0) {
            return NULL;
        } else if (*at == ',' && depth == 1 && !key && --index == 0) {
            return at + 1;
        }
    }
    return NULL;
}

static int line_of(const char *text, const char *path)
{
    const char *at = text, *found = text;
    int line = 1;

    while (found && *path) {
        size_t length = strcspn(path, ".[");
        char *end = NULL;

        if (*path == '[')
            found = find_step(at, NULL, 0, strtoul(path + 1, &end, 10));
        else
            found = find_step(at, path, length, 0);
        path = end ? end + 1 : path + length;
        path += *path == '.';
        at = found ? found : at;
    }
    at += strspn(at, " \t\r\n");
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static void name_place(struct reader *r, const char *prefix, const char *name)
{
    snprintf(r->where->path, sizeof(r->where->path), "%s%s%s", prefix, *prefix && *name ? "." : "", name);
    r->where->line = 0;
}

// Only refusals need the line.
static int located(struct reader *r, int (*refusal)(struct reader *r, const void *arg), const void *arg)
{
    r->where->line = line_of(r->text, r->where->path);
    return refusal(r, arg);
}

static int refuse_member(struct reader *r, const void *arg)
{
    const struct type *type = arg;
    char all[300];
    size_t used = 0;

    for (size_t i = 0; i < type->nr_fields && used < sizeof(all); i++)
        if (type->fields[i].json)
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", type->fields[i].json);
    return refuse_form(r->where, "is no member of a %s: use those there are (%s)", type->name, all);
}

static int refuse_kind(struct reader *r, const void *arg)
{
    return refuse_form(r->where, "is not %s: write it as one", (const char *)arg);
}

static const char *kind_of(const struct field *f)
{
    switch (f->type) {
    case FIELD_NUMBER:
    case FIELD_SIZE: return "a whole number from 0 on";
    case FIELD_FLAG: return "true or false";
    case FIELD_LIST: return "an array of objects";
    default: return "a string";
    }
}

// A value as text for field_set(); NULL if it is of another kind.
static const char *value_text(const struct field *f, const json_t *value, char room[FIELD_ROOM])
{
    if (f->type == FIELD_FLAG)
        return json_is_boolean(value) ? (json_is_true(value) ? "yes" : "no") : NULL;
    if (f->type != FIELD_NUMBER && f->type != FIELD_SIZE)
        return json_string_value(value);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return NULL;
    snprintf(room, FIELD_ROOM, "%lld", json_integer_value(value));
    return room;
}

// What is put into XML later: no name that the model knows, so that nothing can be said twice.
static int read_extra(struct reader *r, const struct type *type, void *object, const json_t *item)
{
    const char *in = json_string_value(json_object_get(item, "in"));
    const char *xml = json_string_value(json_object_get(item, "xml"));
    const char *attribute = json_string_value(json_object_get(item, "attribute"));
    const char *value = json_string_value(json_object_get(item, "value"));
    char name[PATH_SIZE + 8], path[3 * PATH_SIZE], *text = NULL;
    const struct field *of;

    if (!in || (xml ? attribute || value : !attribute || !value) || json_object_size(item) != (xml ? 2u : 3u))
        return located(r, refuse_kind, "an object of in and xml, or of in, attribute and value");
    of = field_by_xml(type, in);
    if (strlen(in) > 80 || strchr(in, '@') || (of ? of->type == FIELD_LIST : *in && !type_has_below(type, in)))
        return refuse(r->where, in, "which is not the path of an element that the model knows",
                      "copy it from what `vane show` wrote");
    if (!xml && (!text_is_plain(value) || !xml_is_name(attribute)))
        return refuse(r->where, attribute, "which is no attribute of XML, or has no such value", "use letters");
    if (xml && !(text = xml_normalise(xml, name)))
        return refuse(r->where, xml, "which is not one XML element", "write one whole element");
    snprintf(path, sizeof(path), "%s%s%s%s", in, *in ? "/" : "", xml ? "" : "@", xml ? name : attribute);
    if (field_by_xml(type, path) || type_has_below(type, path) ||
        (attribute && of && of->type == FIELD_SIZE && strcmp(attribute, "unit") == 0)) {
        free(text);
        return refuse(r->where, path, "which the model knows", "say it in its own member");
    }
    return extra_add(object, strdup(in), xml ? NULL : strdup(attribute), xml ? text : strdup(value), r->where);
}

static int read_extras(struct reader *r, const struct type *type, void *object, const json_t *items)
{
    char path[100];
    int rc = 0;

    snprintf(path, sizeof(path), "%.90s", r->where->path);
    if (!json_is_array(items))
        return located(r, refuse_kind, "an array of objects");
    for (size_t i = 0; i < json_array_size(items) && rc == 0; i++) {
        snprintf(r->where->path, sizeof(r->where->path), "%s[%zu]", path, i);
        rc = read_extra(r, type, object, json_array_get(items, i));
    }
    return rc;
}

static int read_object(struct reader *r, const struct type *type, void *object, const json_t *from, const char *prefix);

static int read_list(struct reader *r, const struct field *f, void *object, const json_t *items, const char *prefix)
{
    char path[100];
    int rc = 0;

    for (size_t i = 0; i < json_array_size(items) && rc == 0; i++) {
        void *item;

        snprintf(path, sizeof(path), "%s%s%s[%zu]", prefix, *prefix ? "." : "", f->json, i);
        name_place(r, path, "");
        item = list_add(f, object, r->where);
        if (!item)
            return -(int)r->where->error->kind;
        if (!json_is_object(json_array_get(items, i)))
            return located(r, refuse_kind, "an object");
        rc = read_object(r, f->items, item, json_array_get(items, i), path);
        if (rc == 0) {
            name_place(r, path, "");
            r->where->line = line_of(r->text, path);
            rc = object_check(f->items, item, r->where);
        }
    }
    return rc;
}

static int read_member(struct reader *r, const struct type *type, void *object, const char *key,
                       const json_t *value, const char *prefix)
{
    const struct field *f = field_by_json(type, key);
    char room[FIELD_ROOM];
    const char *text;
    int rc;

    name_place(r, prefix, key);
    if (strcmp(key, "extra") == 0)
        return read_extras(r, type, object, value);
    if (!f)
        return located(r, refuse_member, type);
    if (f->type == FIELD_LIST)
        return json_is_array(value) ? read_list(r, f, object, value, prefix) : located(r, refuse_kind, kind_of(f));
    text = value_text(f, value, room);
    if (!text)
        return located(r, refuse_kind, kind_of(f));
    rc = field_set(type, f, object, text, "KiB", r->where);
    if (rc) {
        r->where->line = line_of(r->text, r->where->path);
        return vane_fail_in(r->where->error, "line %d: ", r->where->line);
    }
    return 0;
}

static int read_object(struct reader *r, const struct type *type, void *object, const json_t *from, const char *prefix)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        int rc = read_member(r, type, object, key, value, prefix);

        if (rc)
            return rc;
    }
    return 0;
}

static int read_text(struct definition *d, char *text, size_t length, struct vane_error *error)
{
    struct where where = { .error = error, .path = "the JSON" };
    struct reader r = { text, &where };
    json_error_t problem;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    int rc;

    if (!root) {
        where.line = problem.line;
        return refuse_form(&where, "cannot be read: %.120s: mend it there", problem.text);
    }
    if (json_is_object(root))
        rc = read_object(&r, &definition_type, d, root, "");
    else
        rc = refuse_form(&where, "is not an object: put it in { }");
    json_decref(root);
    return rc ? rc : definition_finish(d, error);
}

int definition_read_json(struct definition *d, const char *text, size_t length, struct vane_error *error)
{
    char *copy;
    int rc;

    object_init(&definition_type, d);
    rc = definition_check_size(text, length, error);
    if (rc)
        return rc;
    copy = malloc(length + 1);
    if (!copy)
        return no_memory(error);
    memcpy(copy, text, length);
    copy[length] = '\0';
    rc = read_text(d, copy, length, error);
    free(copy);
    return rc;
}

// Writing.

static json_t *value_json(const struct field *f, const void *object)
{
    char room[FIELD_ROOM];

    if (f->type == FIELD_FLAG)
        return json_boolean(*field_number(f, object));
    if (f->type == FIELD_NUMBER || f->type == FIELD_SIZE)
        return json_integer((json_int_t)*field_number(f, object));
    return json_string(field_print(f, object, room));
}

static json_t *extras_json(const struct list *extras)
{
    const struct extra *extra = extras->items;
    json_t *all = json_array();

    for (size_t i = 0; i < extras->count; i++)
        json_array_append_new(all, extra[i].name
            ? json_pack("{ss ss ss}", "in", extra[i].in, "attribute", extra[i].name, "value", extra[i].value)
            : json_pack("{ss ss}", "in", extra[i].in, "xml", extra[i].value));
    return all;
}

static json_t *object_json(const struct type *type, const void *object)
{
    const struct object *o = object;
    json_t *to = json_object();

    for (size_t i = 0; i < type->nr_fields; i++) {
        const struct field *f = &type->fields[i];
        json_t *list;

        if (!f->json || !field_is_given(type, f, object))
            continue;
        if (f->type != FIELD_LIST) {
            json_object_set_new(to, f->json, value_json(f, object));
            continue;
        }
        list = json_array();
        for (size_t k = 0; k < field_list(f, object)->count; k++)
            json_array_append_new(list, object_json(f->items, list_item(f, field_list(f, object), k)));
        json_object_set_new(to, f->json, list);
    }
    if (o->extras.count)
        json_object_set_new(to, "extra", extras_json(&o->extras));
    return to;
}

char *definition_write_json(const struct definition *d)
{
    return json_lines(object_json(&definition_type, d));
}
