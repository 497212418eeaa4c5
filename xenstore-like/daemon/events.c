// SPDX-License-Identifier: MIT
// From changes to watch events in the queues of those who watch and may know.
#include <stdio.h>
#include <string.h>

#include "persist.h"

// An event under way: it is for those who may read by one of the lists.
struct event {
    const struct fire *fire;
    const struct perms *perms[3];
};

const char *const special_names[NR_SPECIAL] = { "@introduceDomain", "@releaseDomain" };

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
    persist_watch(s, R_WATCH, c, watch);
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

static void fire_readable(void *arg, struct watch *watch, const char *path)
{
    const struct event *event = arg;
    const struct conn *c = watch->owner;
    bool may = false;

    // Which domain began or ended is for those who asked for it.
    if (path[0] == '@' && watch->depth < 0 && !strchr(watch->path, '/'))
        path = watch->path;
    for (int i = 0; i < 3 && !may; i++)
        may = event->perms[i] && perms_allow(event->perms[i], &event->fire->s->store.ends, c->who, PERM_READ);
    if (may)
        fire_watch(event->fire, watch, path);
}

void fire_node(const struct fire *fire, const char *path, struct node *removed)
{
    struct server *s = fire->s;
    struct event event = { .fire = fire };
    struct place place;

    if (s->watches.nr_watches == 0)
        return;
    place = tree_locate(s->store.root, path);
    event.perms[0] = place.node ? place.node->perms : NULL;
    event.perms[1] = place.above ? place.above->perms : NULL;
    event.perms[2] = removed ? removed->perms : NULL;
    if (removed)
        watch_match_removed(&s->watches, path, removed, fire_readable, &event);
    watch_match(&s->watches, path, fire_readable, &event);
}

void fire_told(const struct fire *fire, struct told *told, bool happened)
{
    struct node **removed = (struct node **)(void *)told->removed.bytes;
    const char *path = (const char *)told->paths.bytes;

    for (size_t i = 0; i < told->removed.length / sizeof(removed[0]); i++, path += strlen(path) + 1) {
        if (happened)
            fire_node(fire, path, removed[i]);
        if (removed[i])
            node_put(removed[i]);
    }
    buf_free(&told->paths);
    buf_free(&told->removed);
}

void fire_special(const struct fire *fire, int special, uint16_t domid)
{
    struct event event = { fire, { fire->s->special[special] } };
    char path[32];

    snprintf(path, sizeof(path), "%s/%u", special_names[special], domid);
    watch_match(&fire->s->watches, path, fire_readable, &event);
}
