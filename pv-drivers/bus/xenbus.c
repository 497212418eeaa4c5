// SPDX-License-Identifier: MIT
//
// The state machine of split devices, as tables and the loop that walks them.
#include "bus/xenbus.h"

#include "bus/text.h"
#include "public/errno.h"

#define MAX_STEPS 8u       // of one run; a peer that goes on changing is met again at its next event

#define S(name) XenbusState##name
#define DO(action, state) { XENBUS_##action, S(state) }

// Back end. It serves requests from CONNECT to DISCONNECT, also while Closing: a front end that is
// asked to go (the toolstack writes our state, Closing) first writes what it still has. One that
// starts over without good-bye, its kernel having crashed, is met like a new one. One that says
// Connected before we do means our predecessor: its rings are stale until it publishes new ones.
const struct xenbus_table xenbus_back_table = { .step = {
    [S(Initialising)] = {
        [S(Unknown)] = DO(PREPARE, InitWait),
        [S(Initialising)] = DO(PREPARE, InitWait),
        [S(InitWait)] = DO(PREPARE, InitWait),
        [S(Initialised)] = DO(PREPARE, InitWait),
        [S(Connected)] = DO(PREPARE, InitWait),
        [S(Closed)] = DO(PREPARE, InitWait),
    },
    [S(InitWait)] = {
        [S(Initialised)] = DO(CONNECT, Connected),
    },
    [S(Initialised)] = {
        [S(Initialised)] = DO(CONNECT, Connected),
    },
    [S(Connected)] = {
        [S(Unknown)] = DO(DISCONNECT, Closed),
        [S(Initialising)] = DO(DISCONNECT, Initialising),
        [S(InitWait)] = DO(DISCONNECT, Initialising),
        [S(Closing)] = DO(NOTHING, Closing),
        [S(Closed)] = DO(DISCONNECT, Closed),
    },
    [S(Closing)] = {
        [S(Unknown)] = DO(DISCONNECT, Closed),
        [S(Initialising)] = DO(DISCONNECT, Initialising),
        [S(Closed)] = DO(DISCONNECT, Closed),
    },
    [S(Closed)] = {
        [S(Initialising)] = DO(NOTHING, Initialising),
        [S(Initialised)] = DO(NOTHING, Initialising),
    },
} };

// Front end. A back end seen Connected before we published anything still means our predecessor.
const struct xenbus_table xenbus_front_table = { .step = {
    [S(Initialising)] = {
        [S(InitWait)] = DO(PREPARE, Initialised),
        [S(Initialised)] = DO(PREPARE, Initialised),
    },
    [S(Initialised)] = {
        [S(Connected)] = DO(CONNECT, Connected),
        [S(Closing)] = DO(DISCONNECT, Closed),
        [S(Closed)] = DO(DISCONNECT, Closed),
    },
    [S(Connected)] = {
        [S(Unknown)] = DO(DISCONNECT, Closed),
        [S(InitWait)] = DO(DISCONNECT, Initialising),
        [S(Connected)] = DO(UPDATE, Connected),
        [S(Closing)] = DO(DISCONNECT, Closed),
        [S(Closed)] = DO(DISCONNECT, Closed),
    },
    [S(Closing)] = {
        [S(Unknown)] = DO(DISCONNECT, Closed),
        [S(Closing)] = DO(DISCONNECT, Closed),
        [S(Closed)] = DO(DISCONNECT, Closed),
    },
} };

void xenbus_init(struct xenbus_device *dev, const struct xenbus_table *table, xenbus_action_fn *const *actions,
                 struct store *store, const char *own, const char *peer)
{
    *dev = (struct xenbus_device){ .table = table, .actions = actions, .store = store };
    format(dev->own, sizeof(dev->own), "%s", own);
    format(dev->peer, sizeof(dev->peer), "%s", peer);
}

int xenbus_write(struct xenbus_device *dev, const char *leaf, const char *value)
{
    char path[STORE_MAX_PATH];

    format(path, sizeof(path), "%s/%s", dev->own, leaf);
    return dev->store->ops->write(dev->store, path, value);
}

int xenbus_write_u64(struct xenbus_device *dev, const char *leaf, uint64_t value)
{
    char text[TEXT_DECIMAL];

    format(text, sizeof(text), "%lu", value);
    return xenbus_write(dev, leaf, text);
}

static int read_node(struct xenbus_device *dev, const char *folder, const char *leaf, char *value, size_t size)
{
    char path[STORE_MAX_PATH];

    format(path, sizeof(path), "%s/%s", folder, leaf);
    return dev->store->ops->read(dev->store, path, value, size);
}

int xenbus_read_peer(struct xenbus_device *dev, const char *leaf, char *value, size_t size)
{
    return read_node(dev, dev->peer, leaf, value, size);
}

int xenbus_read_peer_u64(struct xenbus_device *dev, const char *leaf, uint64_t limit, uint64_t *value)
{
    char text[STORE_MAX_VALUE];
    int rc = xenbus_read_peer(dev, leaf, text, sizeof(text));

    if (rc == 0 && !text_parse_u64(text, limit, value)) {
        format(dev->why, sizeof(dev->why), "%s of the other end must be a number up to %lu", leaf, limit);
        rc = -XEN_EINVAL;
    }
    return rc;
}

uint64_t xenbus_peer_value(struct xenbus_device *dev, const char *leaf, uint64_t otherwise)
{
    (void)xenbus_read_peer_u64(dev, leaf, UINT64_MAX, &otherwise);    // absent or not, it is as good
    return otherwise;
}

int xenbus_write_nodes(struct xenbus_device *dev, const struct xenbus_node *nodes, unsigned nr)
{
    int rc = 0;

    for (unsigned i = 0; i < nr && rc == 0; i++)
        rc = xenbus_write_u64(dev, nodes[i].name, nodes[i].value);
    return rc;
}

int xenbus_write_queue_u64(struct xenbus_device *dev, unsigned queue, unsigned nr_queues,
                           const char *name, int number, uint64_t value)
{
    char leaf[TEXT_QUEUE_LEAF];

    text_queue_leaf(leaf, queue, nr_queues, name, number);
    return xenbus_write_u64(dev, leaf, value);
}

// A node that is missing or makes no sense is Unknown; a store that does not answer is an error, and
// no reason to let go of anything.
static int read_state(struct xenbus_device *dev, const char *folder, enum xenbus_state *state)
{
    char text[STORE_MAX_VALUE];
    uint64_t number = XenbusStateUnknown;
    int rc = read_node(dev, folder, "state", text, sizeof(text));

    if (rc == 0)
        (void)text_parse_u64(text, XENBUS_NR_STATES - 1, &number);
    *state = (enum xenbus_state)number;
    return rc == -XEN_ENOENT || rc == -XEN_E2BIG ? 0 : rc;
}

enum xenbus_state xenbus_own_state(struct xenbus_device *dev)
{
    enum xenbus_state state;

    return read_state(dev, dev->own, &state) < 0 ? XenbusStateUnknown : state;
}

int xenbus_set_state(struct xenbus_device *dev, enum xenbus_state state)
{
    return xenbus_write_u64(dev, "state", state);
}

int xenbus_read_states(struct xenbus_device *dev)
{
    enum xenbus_state own = XenbusStateUnknown, peer = XenbusStateUnknown;
    int rc = read_state(dev, dev->own, &own);

    rc = rc < 0 ? rc : read_state(dev, dev->peer, &peer);
    if (rc == 0) {
        dev->own_state = own;
        dev->peer_state = peer;
    }
    return rc;
}

static int act(struct xenbus_device *dev, enum xenbus_action action)
{
    return dev->actions[action] ? dev->actions[action](dev) : 0;
}

// Nobody could be told that these writes fail, and the next run tries again.
static void fail(struct xenbus_device *dev)
{
    (void)act(dev, XENBUS_DISCONNECT);
    (void)xenbus_write(dev, "error", dev->why);
    (void)xenbus_set_state(dev, XenbusStateClosing);
}

int xenbus_run(struct xenbus_device *dev)
{
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        int rc = xenbus_read_states(dev);

        if (rc < 0)
            return rc;
        const struct xenbus_step *step = &dev->table->step[dev->own_state][dev->peer_state];
        if (step->action == XENBUS_WAIT)
            return 0;
        rc = act(dev, (enum xenbus_action)step->action);
        if (rc < 0) {
            fail(dev);
            return rc;
        }
        if (step->next == dev->own_state)
            return 0;
        rc = xenbus_set_state(dev, (enum xenbus_state)step->next);
        if (rc < 0)
            return rc;
    }
    return 0;
}
