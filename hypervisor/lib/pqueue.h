// SPDX-License-Identifier: MIT
// Priority queue whose nodes lie inside the elements: a randomized meldable heap. The first element
// is at hand without a search (timers, run queues); of equal ones any may be it. Pure; the owner's
// lock guards the queue.
#pragma once

#include "lib/base.h"

struct pq_node {
    struct pq_node *parent;
    struct pq_node *child[2]; // none of them comes before its parent
};

// All zeros: empty.
struct pqueue {
    struct pq_node *first; // or NULL
    uint32_t random;
};

// Whether a comes before b: a strict order.
typedef bool pq_less_fn(const struct pq_node *a, const struct pq_node *b);

// O(log n) each, expected. The node is in no queue before insert, and in this one before remove.
void pq_insert(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);
void pq_remove(struct pqueue *queue, struct pq_node *node, pq_less_fn *less);

// For walks from first on: another node, or NULL behind the last. A node comes before its children.
struct pq_node *pq_next(const struct pq_node *node);

#define pq_entry(node, type, member) container_of(node, type, member)
