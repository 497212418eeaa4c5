// SPDX-License-Identifier: MIT
//
// The way to the guest that a program serves: its store, and its memory and events. Tests link another
// guest.c, that of a guest without a hypervisor; all else of the programs they run is what is shipped.
#pragma once

#include "bus/store.h"
#include "ring/transport.h"

// `path` of the store's socket, NULL the usual one. 0 or a negative errno.
int guest_open_store(struct store **store, unsigned domid, const char *path);
int guest_open_transport(struct transport **t, unsigned domid, char *why, size_t why_size);
