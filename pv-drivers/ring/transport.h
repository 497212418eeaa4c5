// SPDX-License-Identifier: MIT
//
// How a back end reaches a guest's memory and exchanges events with it: one transport is one event
// channel and any number of grants of one domain. A program links one of them: transport_xen.c over Linux'
// /dev/xen/gntdev and /dev/xen/evtchn, or, in tests, one over shared memory and eventfds (tests/drivers).
//
// A transport belongs to one thread at a time. All functions return 0 or a negative errno.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_MAX_COPIES 64u    // in one call of copy
#define TRANSPORT_MAX_PAGES 32u     // and of map

struct transport_copy {
    uint32_t ref;
    uint16_t offset;                // within the granted page; offset + size <= 4096
    uint16_t size;
    void *local;
};

enum transport_direction { TRANSPORT_FROM_GUEST, TRANSPORT_TO_GUEST };

struct transport {
    int event_fd;                   // becomes readable when the guest sends an event; it does not block
    bool is_echoed;                 // what is read from it is written back to it, then it tells of the next
};

// Maps the pages, readable and writable, one after the other.
int transport_map(struct transport *t, const uint32_t *refs, unsigned nr, void **va);
void transport_unmap(struct transport *t, void *va, unsigned nr);
// Copies all, or fails as soon as one cannot be copied.
int transport_copy(struct transport *t, enum transport_direction direction, const struct transport_copy *list, unsigned nr);
// Connects to the guest's unbound port.
int transport_bind(struct transport *t, uint32_t port);
void transport_unbind(struct transport *t);
void transport_notify(struct transport *t);
// Takes what made event_fd readable.
void transport_ack(struct transport *t);

// Over Linux' devices. `why` gets a sentence when they are not there.
int transport_xen_open(struct transport **t, unsigned domid, char *why, size_t why_size);
