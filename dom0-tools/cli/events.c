// SPDX-License-Identifier: MIT
// vane events: the data lines of vaned's server-sent events, each of which is one JSON object.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http.h"
#include "vane.h"

static struct {
    bool json;
    char line[8192];            // what there is of it; what does not fit is cut off
    size_t used;
} events;

static void print_event(const char *text)
{
    json_t *event = json_loads(text, 0, NULL);
    time_t at = (time_t)json_integer_value(json_object_get(event, "time"));
    const char *detail = json_string_value(json_object_get(event, "detail"));
    const char *domain = json_string_value(json_object_get(event, "domain"));
    const char *what = json_string_value(json_object_get(event, "event"));
    char when[32];

    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime(&at));
    if (domain && what)
        printf("%s  %-20s  %*s%s%s\n", when, domain, detail ? -16 : 0, what, detail ? "  " : "", detail ? detail : "");
    json_decref(event);
}

static int take(const char *text, size_t size)
{
    static const char data[] = "data: ";

    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n') {
            if (events.used < sizeof(events.line) - 1)
                events.line[events.used++] = text[i];
            continue;
        }
        events.line[events.used] = '\0';
        events.used = 0;
        if (strncmp(events.line, data, sizeof(data) - 1) != 0)
            continue;
        if (events.json)
            puts(events.line + sizeof(data) - 1);
        else
            print_event(events.line + sizeof(data) - 1);
    }
    fflush(stdout);
    return ferror(stdout);
}

// With -n first so many of those that have been.
int run_events(const struct vane *vane, const struct command *c)
{
    char path[80];
    int rc;

    snprintf(path, sizeof(path), "%s?last=%u", c->path, vane->count);
    events.json = vane->output == OUTPUT_JSON;
    rc = http_follow(vane->socket, path, take);
    if (rc > 0)
        return EXIT_DONE;       // nobody reads any more
    if (rc)
        complain("vaned cannot be reached at %s (%s): start it, or ask `vane doctor`", vane->socket, strerror(-rc));
    else
        complain("vaned has ended: ask again when it runs, with -n for what has happened since its start");
    return EXIT_UNREACHABLE;
}
