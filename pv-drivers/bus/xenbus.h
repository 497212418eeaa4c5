// SPDX-License-Identifier: MIT
//
// The handshake of a split device: each side has a node "state", watches the other's, and acts by a
// table (own state x peer's state). The drivers supply the actions; only this file writes states.
// Freestanding; one thread per device.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/container.h"
#include "bus/store.h"
#include "public/io/xenbus.h"

#define XENBUS_NR_STATES 9u
#define XENBUS_MAX_WHY 200u

enum xenbus_action {
    XENBUS_WAIT,            // nothing until something changes
    XENBUS_NOTHING,         // only the new state
    XENBUS_PREPARE,         // publish what we can, or, as front end, what we chose
    XENBUS_CONNECT,
    XENBUS_UPDATE,          // connected, and the peer's properties may have changed
    XENBUS_DISCONNECT,      // undo whatever PREPARE and CONNECT did, also if they failed
    XENBUS_NR_ACTIONS,
};

// What to do, and the state that follows it.
struct xenbus_step {
    uint8_t action;
    uint8_t next;
};

struct xenbus_table {
    struct xenbus_step step[XENBUS_NR_STATES][XENBUS_NR_STATES];    // [own][peer]
};
extern const struct xenbus_table xenbus_back_table;
extern const struct xenbus_table xenbus_front_table;

struct xenbus_device;
typedef int xenbus_action_fn(struct xenbus_device *dev);

struct xenbus_device {
    const struct xenbus_table *table;
    xenbus_action_fn *const *actions;     // by enum xenbus_action; NULL does nothing
    struct store *store;
    char own[STORE_MAX_PATH];             // our folder
    char peer[STORE_MAX_PATH];
    enum xenbus_state own_state, peer_state;    // when they were last read
    char why[XENBUS_MAX_WHY];             // an action that fails leaves a sentence here
};

void xenbus_init(struct xenbus_device *dev, const struct xenbus_table *table, xenbus_action_fn *const *actions,
                 struct store *store, const char *own, const char *peer);
// Acts until there is nothing to do. 0, or the error of the action that failed: then "error" holds
// its sentence and the device is on its way to Closed.
int xenbus_run(struct xenbus_device *dev);
enum xenbus_state xenbus_own_state(struct xenbus_device *dev);
// Both anew. 0, or a negative errno of a store that does not answer, which changes neither.
int xenbus_read_states(struct xenbus_device *dev);
int xenbus_set_state(struct xenbus_device *dev, enum xenbus_state state);

// Nodes by their name below a folder. Reading a number: 0; -ENOENT (-2) without the node, when
// *value is left alone; -EINVAL (-22) with a sentence in `why` for anything but a decimal <= limit.
int xenbus_write(struct xenbus_device *dev, const char *leaf, const char *value);
int xenbus_write_u64(struct xenbus_device *dev, const char *leaf, uint64_t value);
int xenbus_read_peer(struct xenbus_device *dev, const char *leaf, char *value, size_t size);
int xenbus_read_peer_u64(struct xenbus_device *dev, const char *leaf, uint64_t limit, uint64_t *value);
// The value, or `otherwise` if there is none that makes sense.
uint64_t xenbus_peer_value(struct xenbus_device *dev, const char *leaf, uint64_t otherwise);

struct xenbus_node {
    const char *name;
    uint64_t value;
};
int xenbus_write_nodes(struct xenbus_device *dev, const struct xenbus_node *nodes, unsigned nr);
// A node of a queue, as text_queue_leaf() names it.
int xenbus_write_queue_u64(struct xenbus_device *dev, unsigned queue, unsigned nr_queues,
                           const char *name, int number, uint64_t value);
