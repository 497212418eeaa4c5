// SPDX-License-Identifier: MIT
// Priority queue (lib/pqueue.h). Two heaps are merged along one way down, which a coin chooses at
// each step: in a binary tree of n nodes, whatever its shape, such a way has O(log n) nodes on
// average. So there is no balance to keep, and any node is removed by merging its two children.
#include "lib/pqueue.h"

// The heap of all nodes of a and b, to hang below parent.
static struct pq_node *merge(struct pqueue *queue, struct pq_node *parent, struct pq_node *a,
                             struct pq_node *b, pq_less_fn *less)
{
    struct pq_node *top = NULL;
    struct pq_node **link = &top;

    while (a != NULL && b != NULL) {
        if (less(b, a)) {
            struct pq_node *other = a;
            a = b;
            b = other;
        }
        *link = a;
        a->parent = parent;
        parent = a;
        queue->random = queue->random * 1664525 + 1013904223;
        link = &a->child[queue->random >> 31];
        a = *link;
    }
    *link = a != NULL ? a : b;
    if (*link != NULL)
        (*link)->parent = parent;
    return top;
}

void pq_insert(struct pqueue *queue, struct pq_node *node, pq_less_fn *less)
{
    *node = (struct pq_node){ .parent = NULL };
    queue->first = merge(queue, NULL, queue->first, node, less);
}

void pq_remove(struct pqueue *queue, struct pq_node *node, pq_less_fn *less)
{
    struct pq_node *parent = node->parent;
    struct pq_node *rest = merge(queue, parent, node->child[0], node->child[1], less);

    if (parent == NULL)
        queue->first = rest;
    else
        parent->child[parent->child[1] == node] = rest;
}

struct pq_node *pq_next(const struct pq_node *node)
{
    const struct pq_node *left = node;

    if (node->child[0] != NULL)
        return node->child[0];
    // Up to the first node of which another child is left.
    while (node != NULL && (node->child[1] == NULL || node->child[1] == left)) {
        left = node;
        node = node->parent;
    }
    return node != NULL ? node->child[1] : NULL;
}
