// SPDX-License-Identifier: MIT
// timeout: 300
// The store against a model that is too simple to be wrong: an array of nodes, copied whole for each
// transaction. A million random operations of four domains; the same ones each time.
//
// Transactions are held to what they promise, not to a second implementation:
//   one that commits could have run alone at its end: all it read, it would have read then
//   one that nobody interfered with commits
//   one that is refused had a change by others on a node it touched, or above or below one
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit_main.h"
#include "tests/store/fini.h"
#include "xenstore-like/daemon/txn.h"

#define OPERATIONS 1000000
#define MAX_NODES 512
#define MAX_OPS 40
#define NR_TXNS 6

struct mnode {
    char path[24];
    char value[12];
    unsigned nr_perms;
    struct perm perms[3];
};

struct model {
    unsigned count;
    struct mnode nodes[MAX_NODES];
};

struct op {
    int kind;           // enum txn_kind, or -1 read, -2 list, -3 permissions
    char path[24];
    char value[12];
    unsigned nr_perms;
    struct perm perms[3];
    int rc;
    char result[600];
};

struct mtxn {
    struct txn *txn;
    struct subject who;
    struct model view;
    unsigned nr_ops;
    struct op ops[MAX_OPS];
    unsigned nr_others;         // changes that others made since
    char others[400][24];
    bool too_many;
};

static struct store store;
static struct model model;
static struct mtxn txns[NR_TXNS];
static uint64_t state = 88172645463325252ull;
static unsigned committed, refused;

static unsigned chance(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 11) % n;
}

static struct mnode *m_find(struct model *m, const char *path)
{
    for (unsigned i = 0; i < m->count; i++)
        if (strcmp(m->nodes[i].path, path) == 0)
            return &m->nodes[i];
    return NULL;
}

static void parent_of(const char *path, char *parent)
{
    char *slash;

    memmove(parent, path, strlen(path) + 1);
    slash = strrchr(parent, '/');
    slash[slash == parent] = '\0';
}

static struct mnode *m_near(struct model *m, const char *path)
{
    char at[24];

    for (strcpy(at, path); !m_find(m, at);)
        parent_of(at, at);
    return m_find(m, at);
}

static bool m_may(const struct mnode *n, struct subject who, unsigned bits)
{
    unsigned has = n->perms[0].bits;

    if (who.domid == 0 || n->perms[0].domid == who.domid)
        return true;
    for (unsigned i = n->nr_perms; i-- > 1;)
        if (n->perms[i].domid == who.domid)
            has = n->perms[i].bits;
    return (has & bits) == bits;
}

static int m_create(struct model *m, struct subject who, const char *path, const char *value)
{
    struct mnode *near = m_near(m, path), *n;
    char parent[24];

    if (!m_may(near, who, PERM_WRITE))
        return -EACCES;
    parent_of(path, parent);
    if (!m_find(m, parent))
        (void)m_create(m, who, parent, "");
    near = m_find(m, parent);
    n = &m->nodes[m->count++];
    *n = *near;
    strcpy(n->path, path);
    strcpy(n->value, value);
    if (who.domid)
        n->perms[0].domid = who.domid;
    return 0;
}

static bool m_is_below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return strcmp(top, "/") == 0 ||
           (strncmp(path, top, length) == 0 && (path[length] == '/' || !path[length]));
}

static int m_rm(struct model *m, struct subject who, const char *path)
{
    char parent[24];
    unsigned kept = 0;
    bool has_parent;

    if (strcmp(path, "/") == 0)
        return -EINVAL;
    parent_of(path, parent);
    has_parent = m_find(m, parent) != NULL;
    if (!m_may(m_near(m, path), who, PERM_WRITE))
        return -EACCES;
    if (!has_parent)
        return -ENOENT;
    for (unsigned i = 0; i < m->count; i++)
        if (!m_is_below(m->nodes[i].path, path))
            m->nodes[kept++] = m->nodes[i];
    m->count = kept;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void m_list(struct model *m, const char *path, char *result)
{
    char names[MAX_NODES][24], parent[24];
    unsigned count = 0;

    for (unsigned i = 0; i < m->count; i++) {
        parent_of(m->nodes[i].path, parent);
        if (strcmp(parent, path) == 0 && m->nodes[i].path[1])
            strcpy(names[count++], strrchr(m->nodes[i].path, '/') + 1);
    }
    qsort(names, count, sizeof(names[0]), compare_names);
    for (unsigned i = 0; i < count; i++)
        result += sprintf(result, "%s,", names[i]);
}

static void print_perms(const struct perm *perms, unsigned count, char *result)
{
    for (unsigned i = 0; i < count; i++)
        result += sprintf(result, "%u:%u,", perms[i].domid, perms[i].bits);
}

static int m_do(struct model *m, struct subject who, const struct op *op, char *result)
{
    struct mnode *n = m_find(m, op->path);

    result[0] = '\0';
    if (op->kind == TXN_RM)
        return m_rm(m, who, op->path);
    if (!n && (op->kind == TXN_WRITE || op->kind == TXN_MKDIR))
        return m_create(m, who, op->path, op->kind == TXN_WRITE ? op->value : "");
    if (!m_may(m_near(m, op->path), who, op->kind < 0 ? PERM_READ : PERM_WRITE))
        return -EACCES;
    if (!n)
        return -ENOENT;
    switch (op->kind) {
    case TXN_WRITE:
        strcpy(n->value, op->value);
        return 0;
    case TXN_SET_PERMS:
        if (who.domid && n->perms[0].domid != who.domid)
            return -EACCES;
        if (who.domid && op->perms[0].domid != who.domid)
            return -EPERM;
        n->nr_perms = op->nr_perms;
        memcpy(n->perms, op->perms, sizeof(n->perms));
        return 0;
    case -1:
        strcpy(result, n->value);
        return 0;
    case -2:
        m_list(m, op->path, result);
        return 0;
    case -3:
        print_perms(n->perms, n->nr_perms, result);
        return 0;
    default:
        return 0;
    }
}

static int s_look(struct view *view, struct subject who, const struct op *op, const struct path *path,
                  char *result)
{
    static const unsigned parts[] = { SAW_VALUE, SAW_LIST, SAW_PERMS };
    struct node *n;
    int rc = view_find(view, who, path, PERM_READ, parts[-op->kind - 1], &n);

    if (rc)
        return rc;
    if (op->kind == -1) {
        memcpy(result, node_value(n), n->value_length);
        result[n->value_length] = '\0';
    } else if (op->kind == -3) {
        print_perms(n->perms->entries, n->perms->count, result);
    }
    for (size_t i = 0; op->kind == -2 && i < node_nr_children(n); i++) {
        const struct node *child = node_child_at(n, i);

        result += sprintf(result, "%.*s,", child->name_length, node_name(child));
    }
    return 0;
}

static int s_do(struct mtxn *t, struct subject who, const struct op *op, char *result)
{
    static const struct view_hooks none = { NULL, NULL };
    struct path path = { op->path, strlen(op->path), 0 };
    bool chmod = op->kind == TXN_SET_PERMS;
    const void *value = chmod ? (const void *)op->perms : op->value;
    size_t size = chmod ? op->nr_perms * sizeof(struct perm) : op->kind == TXN_WRITE ? strlen(op->value) : 0;
    struct node *removed;
    struct view view;
    int rc;

    result[0] = '\0';
    if (t && op->kind < 0)
        return s_look(&t->txn->view, who, op, &path, result);
    if (t)
        return txn_apply(t->txn, who, (enum txn_kind)op->kind, &path, value, size);
    view_open(&view, &store, &none);
    if (op->kind < 0) {
        rc = s_look(&view, who, op, &path, result);
    } else {
        rc = view_apply(&view, who, (enum txn_kind)op->kind, &path, value, size, &removed);
        if (removed)
            node_put(removed);
    }
    if (rc)
        view_drop(&view);
    else
        view_publish(&view);
    return rc;
}

static void random_op(struct op *op)
{
    unsigned depth = chance(4);

    memset(op, 0, sizeof(*op));
    strcpy(op->path, "/");
    for (unsigned i = 0; i < depth; i++)
        sprintf(op->path + strlen(op->path), "%s%s%u", i ? "/" : "", chance(4) ? "n" : "a-longname",
                chance(i == 0 ? 3 : 4));
    if (strlen(op->path) > 22)
        op->path[strcspn(op->path + 1, "/") + 1] = '\0';
    op->kind = (int)chance(7) - 3;
    sprintf(op->value, "v%u", chance(20));
    op->nr_perms = 1 + chance(3);
    for (unsigned i = 0; i < 3; i++)
        op->perms[i] = (struct perm){ (uint16_t)(i == 0 ? chance(4) : i), (uint16_t)chance(4) };
}

// The path of the highest node that an operation at a path would create, or the path itself.
static void highest_change(const char *path, char *highest)
{
    char parent[24];

    for (strcpy(highest, path); strcmp(highest, "/") != 0; strcpy(highest, parent)) {
        parent_of(highest, parent);
        if (m_find(&model, parent))
            return;
    }
}

static void others_saw(const char *path, const struct mtxn *by)
{
    for (struct mtxn *t = txns; t < txns + NR_TXNS; t++) {
        if (!t->txn || t == by)
            continue;
        if (t->nr_others == 400)
            t->too_many = true;
        else
            strcpy(t->others[t->nr_others++], path);
    }
}

static bool interfered(const struct mtxn *t)
{
    if (t->too_many)
        return true;
    for (unsigned i = 0; i < t->nr_ops; i++)
        for (unsigned j = 0; j < t->nr_others; j++)
            if (m_is_below(t->ops[i].path, t->others[j]) || m_is_below(t->others[j], t->ops[i].path))
                return true;
    return false;
}

// All a transaction did and read, done again on the model as it is now, gives the same results.
static void replay(const struct mtxn *t)
{
    char result[600], highest[24];

    for (unsigned i = 0; i < t->nr_ops; i++) {
        if (t->ops[i].kind >= 0 && t->ops[i].rc)
            continue;
        highest_change(t->ops[i].path, highest);
        CU_ASSERT_EQUAL_FATAL(m_do(&model, t->who, &t->ops[i], result), t->ops[i].rc);
        CU_ASSERT_STRING_EQUAL_FATAL(result, t->ops[i].result);
        if (t->ops[i].kind >= 0)
            others_saw(highest, t);
    }
}

static void finish(struct mtxn *t)
{
    static const struct view_hooks none = { NULL, NULL };
    struct told told = { 0 };
    struct view view;
    int rc;

    view_open(&view, &store, &none);
    rc = txn_commit(t->txn, t->who, &view, &told);
    told_drop(&told);
    if (rc == 0) {
        view_publish(&view);
        replay(t);
        committed++;
    } else {
        CU_ASSERT_EQUAL_FATAL(rc, -EAGAIN);
        CU_ASSERT_TRUE_FATAL(interfered(t));
        view_drop(&view);
        refused++;
    }
    txn_drop(t->txn);
    t->txn = NULL;
}

static unsigned count_below(const struct node *n, unsigned owned[4])
{
    unsigned count = 1;

    owned[perms_owner(n->perms)]++;
    for (size_t i = 0; i < node_nr_children(n); i++)
        count += count_below(node_child_at(n, i), owned);
    return count;
}

static void compare(void)
{
    unsigned owned[4] = { 0 };
    char expected[100], found[100];

    CU_ASSERT_EQUAL_FATAL(count_below(store.root, owned), model.count);
    for (uint16_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(quota_account(&store.quotas, i)->nodes, owned[i]);
    for (unsigned i = 0; i < model.count; i++) {
        const struct mnode *m = &model.nodes[i];
        const struct node *n = tree_find(store.root, m->path);

        CU_ASSERT_PTR_NOT_NULL_FATAL(n);
        CU_ASSERT_TRUE_FATAL(n->value_length == strlen(m->value) &&
                             memcmp(node_value(n), m->value, n->value_length) == 0);
        expected[0] = found[0] = '\0';
        print_perms(m->perms, m->nr_perms, expected);
        print_perms(n->perms->entries, n->perms->count, found);
        CU_ASSERT_STRING_EQUAL_FATAL(expected, found);
    }
}

static void step(void)
{
    struct mtxn *t = chance(2) ? &txns[chance(NR_TXNS)] : NULL;
    struct subject who = { (uint16_t)chance(4), NO_DOMID };
    struct op op, *kept = &op;
    char expected[600], highest[24];

    if (t && !t->txn) {
        *t = (struct mtxn){ .txn = txn_start(&store, 1), .who = who, .view = model };
        return;
    }
    if (t && (t->nr_ops == MAX_OPS || chance(12) == 0)) {
        finish(t);
        return;
    }
    random_op(&op);
    if (t) {
        kept = &t->ops[t->nr_ops++];
        *kept = op;
        who = t->who;
    }
    highest_change(kept->path, highest);
    kept->rc = s_do(t, who, kept, kept->result);
    CU_ASSERT_EQUAL_FATAL(m_do(t ? &t->view : &model, who, kept, expected), kept->rc);
    CU_ASSERT_STRING_EQUAL_FATAL(kept->result, expected);
    if (!t && kept->kind >= 0 && kept->rc == 0)
        others_saw(highest, NULL);
}

static void random_operations(void)
{
    store_init(&store);
    model.count = 1;
    model.nodes[0] = (struct mnode){ "/", "", 1, { { 0, 0 }, { 0, 0 }, { 0, 0 } } };
    for (unsigned i = 0; i < OPERATIONS; i++) {
        step();
        if (i % 256 == 0)
            compare();
    }
    for (struct mtxn *t = txns; t < txns + NR_TXNS; t++)
        if (t->txn)
            finish(t);
    compare();
    printf("%u transactions committed, %u refused\n", committed, refused);
    CU_ASSERT(committed > OPERATIONS / 200 && refused > OPERATIONS / 1000);
    store_fini(&store);
}

int main(void)
{
    static const struct unit_test tests[] = { { "a million random operations", random_operations },
                                              { NULL, NULL } };

    return unit_main("xs_model", tests);
}
