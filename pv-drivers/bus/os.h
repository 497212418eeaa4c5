// SPDX-License-Identifier: MIT
//
// What a front end needs of the system it runs in: six functions. Whoever links a front end
// supplies them; `struct os` is theirs.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct os;

// Zeroed pages, side by side; NULL if there are none.
void *os_pages_alloc(struct os *os, unsigned nr);
void os_pages_free(struct os *os, void *pages, unsigned nr);
// Lets the back end reach a page. 0 or a negative error.
int os_grant(struct os *os, void *page, bool is_read_only, uint32_t *ref);
// Takes that back; an error while the back end has the page mapped.
int os_revoke(struct os *os, uint32_t ref);
// A port that the back end may bind to; and an event to it.
int os_event_open(struct os *os, uint32_t *port);
void os_event_send(struct os *os, uint32_t port);
