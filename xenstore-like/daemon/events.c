// SPDX-License-Identifier: MIT
// From changes to watch events in the queues of those who watch and may know.
#include <stdio.h>
#include <string.h>

#include "persist.h"

// An event under way: what the callback of the watch tree needs to judge it.
struct event {
    const struct fire *fire;
    const struct node *before, *after;      // the node, where it was and is; either may be missing
    const struct node *parent;
};

static bool may_queue(struct server *s, const struct fire *fire, const struct conn *c, size_t size)
{
    size_t unsent = c->out.length + (c == fire->own ? fire->later->length : 0);
    uint32_t limit = quota_limit(&s->store.quotas, c->who.domid, QUOTA_EVENTS);

    if (!c->is_ring || subject_is_privileged(c->who) || limit == 0)
        return unsent + size <= MAX_UNSENT_EVENTS;
    return unsent + size <= limit || quota_check(&s->store.quotas, c->who, QUOTA_EVENTS, unsent + size) == 0;
}

// Who does not fetch his events gets, when he does, one for each watch that had some.
static void miss(struct server *s, struct conn *c, struct watch *watch)
{
    s->nr_merged++;
    if (watch->missed)
        return;
    watch->missed = true;
    c->nr_missed++;
    persist_watch(s, c, watch);
}

void fire_watch(const struct fire *fire, struct watch *watch, const char *path)
{
    struct conn *c = watch->owner;
    struct buf *out = c == fire->own ? fire->later : &c->out;
    const char *seen = path + watch->relative;
    size_t path_size = strlen(seen) + 1, token_size = strlen(watch->token) + 1;
    struct xsd_sockmsg header = { XS_WATCH_EVENT, 0, 0, (uint32_t)(path_size + token_size) };

    if (c->is_broken)
        return;
    if (watch->missed || !may_queue(fire->s, fire, c, sizeof(header) + header.len)) {
        miss(fire->s, c, watch);
        return;
    }
    buf_append(out, &header, sizeof(header));
    buf_append(out, seen, path_size);
    buf_append(out, watch->token, token_size);
    fire->s->nr_events++;
    if (c != fire->own)
        conn_dirty(fire->s, c);
}

static bool may_read(const struct event *event, const struct conn *c, const struct node *n)
{
    return n && perms_allow(n->perms, &event->fire->s->store.ends, c->who, PERM_READ);
}

static void fire_readable(void *arg, struct watch *watch, const char *path)
{
    const struct event *event = arg;
    const struct conn *c = watch->owner;

    if (subject_is_privileged(c->who) || may_read(event, c, event->after) ||
        may_read(event, c, event->before) || may_read(event, c, event->parent))
        fire_watch(event->fire, watch, path);
}

void fire_node(const struct fire *fire, const char *path, struct node *removed)
{
    struct server *s = fire->s;
    struct event event = { .fire = fire, .before = removed };

    if (s->watches.nr_watches == 0)
        return;
    event.after = tree_find_up(s->store.root, path, &event.parent);
    if (removed)
        watch_match_removed(&s->watches, path, removed, fire_readable, &event);
    watch_match(&s->watches, path, fire_readable, &event);
}

struct special_event {
    const struct fire *fire;
    const struct perms *perms;
};

static void fire_allowed(void *arg, struct watch *watch, const char *path)
{
    const struct special_event *event = arg;
    const struct conn *c = watch->owner;

    // Which domain it was is for those who asked for it.
    if (watch->depth < 0 && !strchr(watch->path, '/'))
        path = watch->path;
    if (perms_allow(event->perms, &event->fire->s->store.ends, c->who, PERM_READ))
        fire_watch(event->fire, watch, path);
}

void fire_special(const struct fire *fire, int special, uint16_t domid)
{
    struct special_event event = { fire, fire->s->special[special] };
    char path[32];

    snprintf(path, sizeof(path), "%s/%u",
             special == SPECIAL_INTRODUCE ? "@introduceDomain" : "@releaseDomain", domid);
    watch_match(&fire->s->watches, path, fire_allowed, &event);
}
