// SPDX-License-Identifier: MIT
// What has happened, for those who follow it: the last MAX_EVENTS, each with a number that grows.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vaned.h"

void event_tell(struct vaned *v, const struct domain *d, const char *event, const char *detail)
{
    struct event *slot = &v->events[v->next_event % MAX_EVENTS];
    json_t *json = json_pack("{sI ss ss ss ss*}", "time", (json_int_t)time(NULL), "domain", d->def.name, "uuid",
                             d->def.uuid, "event", event, "detail", detail);

    log_line("%s: %s%s%s", d->def.name, event, detail ? ": " : "", detail ? detail : "");
    free(slot->text);
    slot->text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    slot->id = v->next_event++;
    json_decref(json);
    http_wake_streams(v);
}

// The first one behind `id` that there still is.
const struct event *event_after(const struct vaned *v, uint64_t id)
{
    uint64_t next = id + 1;

    if (next + MAX_EVENTS < v->next_event)
        next = v->next_event - MAX_EVENTS;
    for (; next < v->next_event; next++)
        if (v->events[next % MAX_EVENTS].text)
            return &v->events[next % MAX_EVENTS];
    return NULL;
}
