// SPDX-License-Identifier: MIT
//
// What the handshakes of back ends share: nodes, the front end's choices, taking over from a killed
// process, the end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/xenbus.h"

// All return 0 or a negative errno; where the front end is to blame, dev->why holds the sentence.
int back_refuse(struct xenbus_device *dev, const char *why);
// A node that is absent leaves *value what it was.
int back_read_choice(struct xenbus_device *dev, const char *leaf, uint64_t limit, uint64_t *value);
// A node of a queue (text_add_queue_leaf), which must be there.
int back_read_queue_node(struct xenbus_device *dev, unsigned queue, unsigned nr_queues,
                         const char *name, int number, uint32_t *value);

// First contact. If the store says that a predecessor was connected, `resume` goes on where it was;
// if that fails, `disconnect` undoes it and the front end starts over.
int back_start(struct xenbus_device *dev, xenbus_action_fn *resume, xenbus_action_fn *disconnect);
// True when the toolstack has taken the device away and the front end has let go.
bool back_is_gone(struct xenbus_device *dev);
