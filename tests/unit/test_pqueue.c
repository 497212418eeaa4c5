// SPDX-License-Identifier: MIT
// lib/pqueue.c under random and sorted insertions and removals; after each, every node is checked
// against its parent, and the walk must meet exactly the elements that are in the queue.
#include <stdlib.h>
#include <string.h>

#include "fake_machine.h"
#include "lib/pqueue.h"
#include "unit_main.h"

#define NR_ITEMS 400
#define MANY 20000

struct item {
    unsigned key;
    struct pq_node node;
    bool is_linked;
    unsigned met;
};

static struct item items[NR_ITEMS];
static struct pqueue queue;
static unsigned comparisons;

static unsigned key_of(const struct pq_node *node)
{
    return pq_entry(node, struct item, node)->key;
}

static bool item_less(const struct pq_node *a, const struct pq_node *b)
{
    comparisons++;
    return key_of(a) < key_of(b);
}

// Walks the queue: links both ways, no key before its parent's, each linked item once.
static unsigned count_all(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < NR_ITEMS; i++)
        items[i].met = 0;
    for (struct pq_node *node = queue.first; node != NULL; node = pq_next(node)) {
        const struct pq_node *parent = node->parent;

        CU_ASSERT((parent == NULL) == (node == queue.first));
        if (parent != NULL) {
            CU_ASSERT(parent->child[0] == node || parent->child[1] == node);
            CU_ASSERT(key_of(parent) <= key_of(node));
        }
        pq_entry(node, struct item, node)->met++;
        count++;
    }
    for (unsigned i = 0; i < NR_ITEMS; i++)
        CU_ASSERT_EQUAL(items[i].met, items[i].is_linked);
    return count;
}

static void set_linked(struct item *item, bool is_linked)
{
    if (is_linked)
        pq_insert(&queue, &item->node, item_less);
    else
        pq_remove(&queue, &item->node, item_less);
    item->is_linked = is_linked;
}

static void random_operations(void)
{
    unsigned linked = 0;

    srand(1);
    for (unsigned step = 0; step < 6000; step++) {
        struct item *item = &items[rand() % NR_ITEMS];
        bool grows = step / 1000 % 2 == 0;
        if (rand() % 4 != 0 && item->is_linked == grows)
            continue;
        if (!item->is_linked)
            item->key = (unsigned)rand() % 100;
        set_linked(item, !item->is_linked);
        linked += item->is_linked ? 1 : -1u;
        CU_ASSERT_EQUAL(count_all(), linked);
    }
}

static void drain(void)
{
    struct pq_node *node;
    unsigned last = 0;

    for (unsigned i = 0; i < NR_ITEMS; i++) {
        if (!items[i].is_linked) {
            items[i].key = (unsigned)rand() % 100;
            set_linked(&items[i], true);
        }
    }
    while ((node = queue.first) != NULL) {
        CU_ASSERT(key_of(node) >= last);
        last = key_of(node);
        set_linked(pq_entry(node, struct item, node), false);
    }
    CU_ASSERT_EQUAL(count_all(), 0);
}

static void sequences(void)
{
    for (unsigned direction = 0; direction < 2; direction++) {
        for (unsigned i = 0; i < NR_ITEMS; i++) {
            items[i].key = direction ? NR_ITEMS - i : i;
            set_linked(&items[i], true);
        }
        CU_ASSERT_EQUAL(count_all(), NR_ITEMS);
        for (unsigned i = 0; i < NR_ITEMS; i++) {
            set_linked(&items[i], false);
            CU_ASSERT_EQUAL(count_all(), NR_ITEMS - 1 - i);
        }
    }
}

// Ascending, descending and equal keys, then steady use: no order of keys makes it slow.
static void costs_log_n(void)
{
    struct item *many = calloc(MANY, sizeof(*many));

    CU_ASSERT_FATAL(many != NULL);
    for (unsigned order = 0; order < 3; order++) {
        comparisons = 0;
        for (unsigned i = 0; i < MANY; i++) {
            many[i].key = order == 0 ? i : order == 1 ? MANY - i : 7;
            pq_insert(&queue, &many[i].node, item_less);
        }
        for (unsigned i = 0; i < MANY; i++) {
            struct pq_node *node = queue.first;
            pq_remove(&queue, node, item_less);
            pq_entry(node, struct item, node)->key += MANY;
            pq_insert(&queue, node, item_less);
        }
        CU_ASSERT(comparisons / (3 * MANY) < 40);
        for (unsigned i = 0; i < MANY; i++)
            pq_remove(&queue, &many[i].node, item_less);
        CU_ASSERT_PTR_NULL(queue.first);
        CU_ASSERT(comparisons / (4 * MANY) < 40);
    }
    free(many);
}

static const struct unit_test tests[] = {
    { "random_operations", random_operations },
    { "drain", drain },
    { "sequences", sequences },
    { "costs_log_n", costs_log_n },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("pqueue", tests);
}
