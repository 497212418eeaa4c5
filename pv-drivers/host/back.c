// SPDX-License-Identifier: MIT
#include "host/back.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/text.h"

int back_refuse(struct xenbus_device *dev, const char *why)
{
    snprintf(dev->why, sizeof(dev->why), "%s", why);
    return -EINVAL;
}

int back_read_choice(struct xenbus_device *dev, const char *leaf, uint64_t limit, uint64_t *value)
{
    int rc = xenbus_read_peer_u64(dev, leaf, limit, value);

    return rc == -ENOENT ? 0 : rc;
}

int back_read_queue_node(struct xenbus_device *dev, unsigned queue, unsigned nr_queues,
                         const char *name, int number, uint32_t *value)
{
    char leaf[TEXT_QUEUE_LEAF] = "";
    uint64_t v = 0;

    text_add_queue_leaf(leaf, sizeof(leaf), queue, nr_queues, name, number);
    int rc = xenbus_read_peer_u64(dev, leaf, UINT32_MAX, &v);
    if (rc == -ENOENT) {
        snprintf(dev->why, sizeof(dev->why), "%s of the other end is missing", leaf);
        return -EINVAL;
    }
    *value = (uint32_t)v;
    return rc;
}

// Connecting anew gives up what the last process left, and not all front ends take part in it. So a store that went away in the
// midst of it is no reason: the next process finds all as this one has.
static int take_over(struct xenbus_device *dev, xenbus_action_fn *resume, xenbus_action_fn *disconnect)
{
    enum xenbus_state own;
    enum xenbus_state peer;
    int rc = resume(dev);

    if (rc == 0) {
        return 0;
    }
    rc = xenbus_read_states(dev, &own, &peer);
    if (rc < 0) {
        return rc;
    }
    fprintf(stderr, "%s: cannot go on where the last process was (%s); connecting anew\n", dev->own, dev->why);
    disconnect(dev);
    return xenbus_set_state(dev, XenbusStateInitialising);
}

int back_start(struct xenbus_device *dev, xenbus_action_fn *resume, xenbus_action_fn *disconnect)
{
    enum xenbus_state own;
    enum xenbus_state peer;
    int rc = xenbus_read_states(dev, &own, &peer);

    if (rc == 0) {
        rc = dev->store->ops->watch(dev->store, dev->peer);
    }
    if (rc == 0 && (own == XenbusStateConnected || own == XenbusStateClosing) &&
        peer >= XenbusStateInitialised && peer <= XenbusStateClosing) {
        rc = take_over(dev, resume, disconnect);
    } else if (rc == 0 && own == XenbusStateInitWait) {
        rc = xenbus_set_state(dev, XenbusStateInitialising);
    }
    return rc;
}

bool back_is_gone(struct xenbus_device *dev)
{
    char online[STORE_MAX_VALUE];
    char path[STORE_MAX_PATH];

    snprintf(path, sizeof(path), "%.*s/online", (int)sizeof(path) - 8, dev->own);
    return xenbus_own_state(dev) == XenbusStateClosed &&
           dev->store->ops->read(dev->store, path, online, sizeof(online)) == 0 &&
           strcmp(online, "0") == 0;
}
