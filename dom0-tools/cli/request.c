// SPDX-License-Identifier: MIT
// Asking vaned, and printing what it says.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "vane.h"

int complain(const char *format, ...)
{
    va_list args;

    fputs("vane: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

static int refused(const char *text)
{
    json_t *reply = json_loads(text, 0, NULL), *error = json_object_get(reply, "error");
    const char *kind = json_string_value(json_object_get(error, "kind"));
    const char *message = json_string_value(json_object_get(error, "message"));
    int status = EXIT_FAILED;

    complain("%s", message ? message : "vaned's reply cannot be read");
    for (int i = 1; kind && i < VANE_NR_KINDS; i++)
        if (strcmp(vane_kind_name(i), kind) == 0)
            status = EXIT_KINDS + i - 1;
    json_decref(reply);
    return status;
}

int request(const struct vane *vane, const char *method, const char *path, const char *body, size_t size, char **text)
{
    int status;

    *text = NULL;
    status = http_request(vane->socket, method, path, body, size, text);
    if (status < 0) {
        complain("vaned cannot be reached at %s (%s): start it, or ask `vane doctor`", vane->socket, strerror(-status));
        return EXIT_UNREACHABLE;
    }
    return status / 100 == 2 ? EXIT_DONE : refused(*text);
}

int request_json(const struct vane *vane, const char *method, const char *path, const json_t *body, json_t **reply)
{
    char *out = body ? json_dumps(body, 0) : NULL, *text;
    int rc = request(vane, method, path, out ? out : "", out ? strlen(out) : 0, &text);

    *reply = rc == EXIT_DONE ? json_loads(text, 0, NULL) : NULL;
    free(out);
    free(text);
    return rc == EXIT_DONE && !*reply ? complain("vaned's reply cannot be read") : rc;
}

// For a path: whatever is no letter or digit as %XX.
char *encode(const char *word)
{
    char *text = malloc(3 * strlen(word) + 1), *at = text;

    if (!text)
        abort();
    for (; *word; word++)
        at += isalnum((unsigned char)*word) || strchr("-._", *word) ? sprintf(at, "%c", *word)
                                                                  : sprintf(at, "%%%02X", (unsigned char)*word);
    *at = '\0';
    return text;
}

static const char *cell(const json_t *value, char *room, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        snprintf(room, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(room, size, "%.1f", json_real_value(value));
    else
        snprintf(room, size, "%s", json_is_boolean(value) ? (json_is_true(value) ? "yes" : "no") : "-");
    return room;
}

// By its name, or WHOLE.NAME where the row has it in an object.
static const json_t *member(const json_t *row, const char *name)
{
    const char *dot = strchr(name, '.');

    return dot ? json_object_get(json_object_getn(row, name, (size_t)(dot - name)), dot + 1) : json_object_get(row, name);
}

// What a list or an object holds stands one after the other.
static void print_value(const json_t *value, int width)
{
    char room[40];
    const char *key, *between = "";
    json_t *one;
    size_t i;

    json_array_foreach(value, i, one) {
        fputs(i ? " " : "", stdout);
        print_value(one, 0);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, one) {
        fputs(between, stdout);
        print_value(one, 0);
        between = " ";
    }
    if (json_array_size(value) + json_object_size(value) == 0)
        printf("%*s", width, cell(value, room, sizeof(room)));
}

static void print_row(const json_t *row, const struct column *columns)
{
    for (; columns->title; columns++) {
        if (row)
            print_value(member(row, columns->member), columns->width);
        else
            printf("%*s", columns->width, columns->title);
        fputs(columns[1].title ? "  " : "\n", stdout);
    }
}

static void print_member(const char *key, const json_t *value)
{
    printf("%-16s ", key);
    print_value(value, 0);
    putchar('\n');
}

static void print_members(const json_t *object)
{
    const char *key;
    json_t *value, *one;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        json_array_foreach(value, i, one)
            print_member(key, one);
        if (!json_is_array(value) && !json_is_object(value))
            print_member(key, value);
    }
}

void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
}

void print_reply(const struct vane *vane, const json_t *reply, const struct column *columns, const char *list)
{
    const json_t *rows = list ? json_object_get(reply, list) : NULL;

    if (vane->output == OUTPUT_JSON) {
        print_json(reply);
    } else if (rows) {
        print_row(NULL, columns);
        for (size_t i = 0; i < json_array_size(rows); i++)
            print_row(json_array_get(rows, i), columns);
    } else if (columns) {
        print_row(NULL, columns);
        print_row(reply, columns);
    } else {
        print_members(reply);
    }
}
