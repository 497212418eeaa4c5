// SPDX-License-Identifier: MIT
#include "node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    uint64_t key;
    union {
        struct node *node;      // in leaves
        struct kids *kids;
    };
};

struct kids {
    uint32_t references;
    uint8_t is_leaf;
    uint8_t count;
    uint8_t room;
    uint32_t total;             // nodes in this block and below
    struct slot slots[];
};

// A name being looked for.
struct name {
    uint64_t key;
    const char *text;
    size_t length;
};

static struct name name_of(const char *text, size_t length)
{
    struct name name = { 0, text, length };

    for (size_t i = 0; i < 8 && i < length; i++)
        name.key |= (uint64_t)(unsigned char)text[i] << (56 - 8 * i);
    return name;
}

// --- nodes

struct node *node_new(const char *name, size_t name_length, const void *value, size_t value_length,
                      struct perms *perms, uint64_t generation)
{
    struct node *n = mem_alloc(sizeof(*n) + name_length + value_length);

    n->references = 1;
    n->name_length = (uint16_t)name_length;
    n->value_length = (uint16_t)value_length;
    n->generation = generation;
    n->perms = perms;
    n->kids = NULL;
    memcpy(n->bytes, name, name_length);
    if (value_length)
        memcpy(n->bytes + name_length, value, value_length);
    return n;
}

struct node *node_get(struct node *n)
{
    n->references++;
    return n;
}

static void kids_put(struct kids *k);

static void slot_put(const struct kids *k, unsigned i)
{
    if (k->is_leaf)
        node_put(k->slots[i].node);
    else
        kids_put(k->slots[i].kids);
}

static void kids_put(struct kids *k)
{
    if (--k->references)
        return;
    for (unsigned i = 0; i < k->count; i++)
        slot_put(k, i);
    free(k);
}

void node_put(struct node *n)
{
    if (--n->references)
        return;
    if (n->kids)
        kids_put(n->kids);
    perms_put(n->perms);
    free(n);
}

struct node *node_own(struct node *n)
{
    struct node *copy;

    if (n->references == 1)
        return n;
    copy = node_new(n->bytes, n->name_length, n->bytes + n->name_length, n->value_length,
                    perms_get(n->perms), n->generation);
    copy->kids = n->kids;
    if (copy->kids)
        copy->kids->references++;
    n->references--;
    return copy;
}

struct node *node_set_value(struct node *n, const void *value, size_t length, uint64_t generation)
{
    assert(n->references == 1);
    if (length > n->value_length)
        n = mem_realloc(n, sizeof(*n) + n->name_length + length);
    if (length)
        memcpy(n->bytes + n->name_length, value, length);
    n->value_length = (uint16_t)length;
    n->generation = generation;
    return n;
}

void node_set_perms(struct node *n, struct perms *perms, uint64_t generation)
{
    assert(n->references == 1);
    perms_put(n->perms);
    n->perms = perms;
    n->generation = generation;
}

// --- blocks of children

static struct kids *kids_new(bool is_leaf, unsigned room)
{
    struct kids *k = mem_alloc(sizeof(*k) + room * sizeof(k->slots[0]));

    *k = (struct kids){ .references = 1, .is_leaf = is_leaf, .room = (uint8_t)room };
    return k;
}

static void slot_get(const struct kids *k, unsigned i)
{
    if (k->is_leaf)
        node_get(k->slots[i].node);
    else
        k->slots[i].kids->references++;
}

static struct kids *kids_own(struct kids *k)
{
    struct kids *copy;

    if (k->references == 1)
        return k;
    copy = kids_new(k->is_leaf, k->room);
    copy->count = k->count;
    copy->total = k->total;
    memcpy(copy->slots, k->slots, k->count * sizeof(k->slots[0]));
    for (unsigned i = 0; i < k->count; i++)
        slot_get(k, i);
    k->references--;
    return copy;
}

static const struct node *first_node(const struct kids *k, unsigned i)
{
    for (; !k->is_leaf; i = 0)
        k = k->slots[i].kids;
    return k->slots[i].node;
}

int node_compare(const struct node *n, const char *text, size_t length)
{
    int order = memcmp(n->bytes, text, n->name_length < length ? n->name_length : length);

    return order ? order : (n->name_length > length) - (n->name_length < length);
}

// <0, 0, >0: how a name stands to the (first) name of a slot.
static int compare(const struct name *name, const struct kids *k, unsigned i)
{
    if (name->key != k->slots[i].key)
        return name->key < k->slots[i].key ? -1 : 1;
    // Of a short name the key is all: there is no zero byte in a name.
    if (name->length < sizeof(name->key))
        return 0;
    return -node_compare(first_node(k, i), name->text, name->length);
}

// How many slots stand before a name or (if `with` it) are it. No two are alike.
static unsigned rank(const struct kids *k, const struct name *name, bool with)
{
    unsigned low = 0, high = k->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = compare(name, k, middle);

        if (order == 0)
            return middle + with;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Which slot of an inner block leads to a name.
static unsigned branch(const struct kids *k, const struct name *name)
{
    unsigned before = rank(k, name, true);

    return before ? before - 1 : 0;
}

size_t node_nr_children(const struct node *n)
{
    return n->kids ? n->kids->total : 0;
}

struct node *node_child(const struct node *n, const char *text, size_t length)
{
    struct name name = name_of(text, length);
    const struct kids *k = n->kids;
    unsigned i;

    if (!k)
        return NULL;
    while (!k->is_leaf)
        k = k->slots[branch(k, &name)].kids;
    i = rank(k, &name, false);
    return i < k->count && compare(&name, k, i) == 0 ? k->slots[i].node : NULL;
}

struct node *node_child_at(const struct node *n, size_t index)
{
    const struct kids *k = n->kids;

    assert(index < node_nr_children(n));
    while (!k->is_leaf) {
        unsigned i = 0;

        for (; index >= k->slots[i].kids->total; i++)
            index -= k->slots[i].kids->total;
        k = k->slots[i].kids;
    }
    return k->slots[index].node;
}

bool node_lists_are_equal(const struct node *a, const struct node *b)
{
    size_t count = node_nr_children(a);

    if (a->kids == b->kids)
        return true;
    if (count != node_nr_children(b))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct node *x = node_child_at(a, i), *y = node_child_at(b, i);

        if (x != y && (x->name_length != y->name_length ||
                       memcmp(x->bytes, y->bytes, x->name_length) != 0))
            return false;
    }
    return true;
}

struct node **node_own_child(struct node *n, const char *text, size_t length)
{
    struct name name = name_of(text, length);
    struct kids **at = &n->kids;
    unsigned i;

    assert(n->references == 1);
    if (!*at)
        return NULL;
    for (*at = kids_own(*at); !(*at)->is_leaf; *at = kids_own(*at))
        at = &(*at)->slots[branch(*at, &name)].kids;
    i = rank(*at, &name, false);
    return i < (*at)->count && compare(&name, *at, i) == 0 ? &(*at)->slots[i].node : NULL;
}

struct node **node_own_path(struct node **at, const char *path, size_t length, struct perms *perms)
{
    const char *end = path + length;
    struct component c;

    *at = node_own(*at);
    while (length && path < end && path_next(&path, &c)) {
        struct node **child = node_own_child(*at, c.name, c.length);

        if (!child) {
            node_insert_child(*at, node_new(c.name, c.length, NULL, 0, perms_get(perms), 0));
            child = node_own_child(*at, c.name, c.length);
        }
        at = child;
        *at = node_own(*at);
    }
    return at;
}

static void slot_insert(struct kids **at, unsigned i, struct slot slot)
{
    struct kids *k = *at;

    if (k->count == k->room) {
        k->room = (uint8_t)(k->room * 2);
        k = *at = mem_realloc(k, sizeof(*k) + k->room * sizeof(k->slots[0]));
    }
    memmove(&k->slots[i + 1], &k->slots[i], (k->count - i) * sizeof(k->slots[0]));
    k->slots[i] = slot;
    k->count++;
}

static uint32_t slot_total(const struct kids *k, unsigned i)
{
    return k->is_leaf ? 1 : k->slots[i].kids->total;
}

// Moves the upper part of a full block below *at into a new one behind it. A block that grows at its end,
// as when names come in order, is left nearly full.
static void split(struct kids **at, unsigned i, const struct name *name)
{
    struct kids *k = (*at)->slots[i].kids = kids_own((*at)->slots[i].kids);
    struct kids *upper = kids_new(k->is_leaf, KIDS_MAX);

    k->count = rank(k, name, true) == KIDS_MAX ? KIDS_MAX - 2 : KIDS_MAX / 2;
    upper->count = (uint8_t)(KIDS_MAX - k->count);
    memcpy(upper->slots, &k->slots[k->count], upper->count * sizeof(k->slots[0]));
    for (unsigned j = 0; j < upper->count; j++)
        upper->total += slot_total(upper, j);
    k->total -= upper->total;
    slot_insert(at, i + 1, (struct slot){ upper->slots[0].key, { .kids = upper } });
}

// Full blocks are split on the way down, so what a block below is split into has room above it.
void node_insert_child(struct node *n, struct node *child)
{
    struct name name = name_of(child->bytes, child->name_length);
    struct kids **at = &n->kids, *top;
    unsigned i;

    assert(n->references == 1);
    if (!n->kids)
        n->kids = kids_new(true, 1);
    if (n->kids->count == KIDS_MAX) {
        top = kids_new(false, 4);
        top->total = n->kids->total;
        slot_insert(&top, 0, (struct slot){ n->kids->slots[0].key, { .kids = n->kids } });
        n->kids = top;
    }
    for (*at = kids_own(*at); !(*at)->is_leaf; *at = kids_own(*at)) {
        i = branch(*at, &name);
        if ((*at)->slots[i].kids->count == KIDS_MAX) {
            split(at, i, &name);
            i = branch(*at, &name);
        }
        (*at)->total++;
        at = &(*at)->slots[i].kids;
    }
    // Names mostly come in order, as when all are read again.
    i = (*at)->count && compare(&name, *at, (*at)->count - 1u) > 0 ? (*at)->count : rank(*at, &name, false);
    slot_insert(at, i, (struct slot){ name.key, { .node = child } });
    (*at)->total++;
}

void node_expect_children(struct node *n, size_t count)
{
    unsigned room = 1;

    while (room < count && room < KIDS_MAX)
        room *= 2;
    if (count && !n->kids)
        n->kids = kids_new(true, room);
}

// Blocks that would become empty go; half-empty ones stay, and fill again.
struct node *node_remove_child(struct node *n, const char *text, size_t length)
{
    struct name name = name_of(text, length);
    struct node *child = node_get(node_child(n, text, length));
    struct kids **at = &n->kids, *k;
    unsigned i;

    assert(n->references == 1);
    if (n->kids->total == 1) {
        kids_put(n->kids);
        n->kids = NULL;
        return child;
    }
    do {
        k = *at = kids_own(*at);
        k->total--;
        i = k->is_leaf ? rank(k, &name, false) : branch(k, &name);
        at = &k->slots[i].kids;
    } while (slot_total(k, i) > 1);
    slot_put(k, i);
    k->count--;
    memmove(&k->slots[i], &k->slots[i + 1], (k->count - i) * sizeof(k->slots[0]));
    return child;
}
