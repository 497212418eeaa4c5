// SPDX-License-Identifier: MIT
// Doubly linked list whose links lie inside the elements. The head is a node of its own; an empty
// list points to itself, and so does a node that is in no list. The owner's lock guards it.
#pragma once

#include <stdbool.h>

#include "lib/compiler.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list name = LIST_INIT(name)

static inline void list_init(struct list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_link_between(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

// Put node first.
static inline void list_add(struct list *head, struct list *node)
{
    list_link_between(node, head, head->next);
}

// Put node last; with an element as head: right before that element.
static inline void list_add_tail(struct list *head, struct list *node)
{
    list_link_between(node, head->prev, head);
}

// Take node out. It becomes an empty list, so removing it once more does no harm.
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

// Move all elements of from to the end of head.
static inline void list_splice_tail(struct list *head, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

// Only for a list that is not empty.
#define list_first(head, type, member) container_of((head)->next, type, member)
#define list_last(head, type, member) container_of((head)->prev, type, member)

#define list_for_each(node, head)                                                                 \
    for (struct list *node = (head)->next; node != (head); node = node->next)

// The current node may be removed inside the loop.
#define list_for_each_safe(node, head)                                                            \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);             \
         node = node##_next, node##_next = node->next)

#define list_for_each_entry(entry, head, type, member)                                            \
    for (type *entry = container_of((head)->next, type, member); &entry->member != (head);        \
         entry = container_of(entry->member.next, type, member))

#define list_for_each_entry_safe(entry, head, type, member)                                       \
    for (type *entry = container_of((head)->next, type, member),                                  \
              *entry##_next = container_of(entry->member.next, type, member);                     \
         &entry->member != (head);                                                                \
         entry = entry##_next, entry##_next = container_of(entry->member.next, type, member))
