// SPDX-License-Identifier: MIT
// What vaned says as text, as JSON for programs: logs in lines, metrics in families.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vane.h"

enum { STAMP = 20 };                // 2026-01-31T12:00:00Z

static bool has_stamp(const char *line)
{
    static const char form[STAMP + 2] = "0000-00-00T00:00:00Z ";

    for (unsigned i = 0; i < STAMP + 1; i++)
        if (form[i] == '0' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
            return false;
    return true;
}

// Bytes that are no UTF-8 become question marks: a guest says what it likes.
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    char *copy;

    if (json)
        return json;
    copy = strdup(text);
    for (char *at = copy; at && *at; at++)
        if (*at & 0x80)
            *at = '?';
    json = json_string(copy);
    free(copy);
    return json;
}

static json_t *line_json(const char *line)
{
    json_t *json = json_object();

    if (has_stamp(line)) {
        json_object_set_new(json, "time", json_stringn(line, STAMP));
        line += STAMP + 1;
    }
    json_object_set_new(json, "text", text_json(line));
    return json;
}

// {"lines": [{"time": ..., "text": ...}]}: the time where the line begins with one. `text` is taken apart.
json_t *lines_json(char *text)
{
    json_t *lines = json_array();
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (*line || text)          // not what is behind the last line
            json_array_append_new(lines, line_json(line));
    }
    return json_pack("{so}", "lines", lines);
}

// "NAME" with \\, \" and \n in it, in place. Returns what is behind it; NULL where it is none.
static char *unquote(char *at, char **name)
{
    char *to = *name = at + 1;

    if (*at++ != '"')
        return NULL;
    for (; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            *to++ = *++at == 'n' ? '\n' : *at;
        else
            *to++ = *at;
    }
    if (!*at)
        return NULL;
    *to = '\0';
    return at + 1;
}

// Behind the opening brace. Returns what is behind the closing one; NULL where there is none.
static char *read_labels(char *at, json_t *labels)
{
    while (at && *at && *at != '}') {
        char *key = at, *value, *end = at + strcspn(at, "=");

        if (!*end)
            return NULL;
        at = unquote(end + 1, &value);
        *end = '\0';
        if (at)
            json_object_set_new(labels, key, text_json(value));
        at += at && *at == ',';
    }
    return at && *at ? at + 1 : NULL;
}

static void add_sample(json_t *family, char *line)
{
    size_t length = strcspn(line, "{ ");
    json_t *labels = json_object(), *value;
    char *at = line[length] == '{' ? read_labels(line + length + 1, labels) : line + length, *end;

    value = !at ? NULL : at[strcspn(at, ".e")] ? json_real(strtod(at, &end)) : json_integer(strtoll(at, &end, 10));
    if (family && value)
        json_array_append_new(json_object_get(family, "samples"),
                              json_pack("{ss% sO sO}", "name", line, length, "labels", labels, "value", value));
    json_decref(labels);
    json_decref(value);
}

// "# TYPE NAME gauge": the family that it belongs to, with it.
static json_t *add_meta(json_t *families, json_t *family, char *line)
{
    char *what = strsep(&line, " "), *name = strsep(&line, " ");

    if (!name || !line)
        return family;
    if (!family || strcmp(json_string_value(json_object_get(family, "name")), name) != 0) {
        family = json_pack("{ss s[]}", "name", name, "samples");
        json_array_append_new(families, family);
    }
    json_object_set_new(family, strcmp(what, "TYPE") == 0 ? "type" : strcmp(what, "UNIT") == 0 ? "unit" : "help", text_json(line));
    return family;
}

// {"families": [{"name": ..., "type": ..., "samples": [{"name": ..., "labels": {...}, "value": ...}]}]}
json_t *metrics_json(char *text)
{
    json_t *families = json_array(), *family = NULL;
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (strncmp(line, "# ", 2) == 0)
            family = add_meta(families, family, line + 2);
        else if (*line)
            add_sample(family, line);
    }
    return json_pack("{so}", "families", families);
}

// The row of the device that the sample is of, made where there is none.
static json_t *device_row(json_t *rows, const json_t *labels, const char *kind)
{
    json_t *domain = json_object_get(labels, "domain"), *device = json_object_get(labels, kind), *row;
    size_t i;

    json_array_foreach(rows, i, row)
        if (json_equal(json_object_get(row, "domain"), domain) && json_equal(json_object_get(row, kind), device))
            return row;
    row = json_pack("{sO* sO*}", "domain", domain, kind, device);
    json_array_append_new(rows, row);
    return row;
}

// paravane_disk_read_bytes is a disk's read_kib, paravane_disk_reads its reads.
static void add_figure(json_t *row, const char *name, const json_t *value)
{
    size_t length = strlen(name), unit = strlen("bytes");
    bool is_bytes = length > unit && strcmp(name + length - unit, "bytes") == 0;
    char member[80];

    snprintf(member, sizeof(member), "%.*s%s", (int)(is_bytes ? length - unit : length), name, is_bytes ? "kib" : "");
    json_object_set_new(row, member, json_integer(json_integer_value(value) / (is_bytes ? 1024 : 1)));
}

// {"disks": [{"domain": ..., "disk": ..., "reads": ...}]} of the families paravane_disk_*; the same with nics.
json_t *devices_json(char *text, const char *kinds)
{
    json_t *metrics = metrics_json(text), *rows = json_array(), *family, *sample;
    char kind[16], prefix[40];
    size_t i, j;

    snprintf(kind, sizeof(kind), "%.*s", (int)strlen(kinds) - 1, kinds);
    snprintf(prefix, sizeof(prefix), "paravane_%s_", kind);
    json_array_foreach(json_object_get(metrics, "families"), i, family) {
        const char *name = json_string_value(json_object_get(family, "name"));

        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        json_array_foreach(json_object_get(family, "samples"), j, sample)
            add_figure(device_row(rows, json_object_get(sample, "labels"), kind), name + strlen(prefix),
                       json_object_get(sample, "value"));
    }
    json_decref(metrics);
    return json_pack("{so}", kinds, rows);
}
