// SPDX-License-Identifier: MIT
// What libvane takes out of the store, and what it finds there of a domain that has ended. The store is a list of nodes here,
// and the requests that were made.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/lib/domain.h"
#include "unit_main.h"

static const uint8_t uuid[HV_HANDLE_SIZE] = { 0xaa, [15] = 1 };
#define UUID "aa000000-0000-0000-0000-000000000001"
#define OTHER "aa000000-0000-0000-0000-000000000002"

static const struct node { const char *path, *value; } *nodes;
static char asked[512];
static int fails;                       // with this each request

static int ask(const char *what, const char *on)
{
    size_t used = strlen(asked);

    snprintf(asked + used, sizeof(asked) - used, "%s %s;", what, on);
    return fails;
}

int xs_get(struct xs *xs, xs_tx tx, const char *path, char **value, size_t *length)
{
    (void)xs;
    (void)tx;
    (void)length;
    for (const struct node *n = nodes; n->path; n++) {
        if (strcmp(n->path, path) == 0) {
            *value = strdup(n->value);
            return 0;
        }
    }
    return -ENOENT;
}

int xs_list(struct xs *xs, xs_tx tx, const char *path, char **names, size_t *length)
{
    (void)xs;
    (void)tx;
    CU_ASSERT_STRING_EQUAL(path, "/local/domain");
    if (!nodes || fails)
        return fails ? fails : -ENOENT;
    *names = malloc(64);
    memcpy(*names, "0\0" "3\0" "12\0" "13", 10);
    *length = 10;
    return 0;
}

int xs_remove(struct xs *xs, xs_tx tx, const char *node)
{
    (void)xs;
    (void)tx;
    return ask("remove", node);
}

int xs_release(struct xs *xs, unsigned domid)
{
    char number[16];

    (void)xs;
    snprintf(number, sizeof(number), "%u", domid);
    return ask("release", number);
}

static unsigned found(const struct node *list)
{
    struct vane_error error;
    unsigned domid = 99;

    nodes = list;
    CU_ASSERT_EQUAL(domain_find_nodes(NULL, uuid, &domid, &error), 0);
    return domid;
}

static void finds(void)
{
    static const struct node there[] = {
        { "/local/domain/3/vm", "/vm/" OTHER }, { "/local/domain/12/vm", "/vm/" UUID }, { NULL, NULL },
    };
    static const struct node others[] = { { "/local/domain/3/vm", "/vm/" OTHER }, { "/vm/" UUID, "" }, { NULL, NULL } };
    struct vane_error error;
    unsigned domid;

    fails = 0;
    CU_ASSERT_EQUAL(found(there), 12);
    CU_ASSERT_EQUAL(found(others), 0);
    CU_ASSERT_EQUAL(found(NULL), 0);
    fails = -ECONNRESET;
    CU_ASSERT_EQUAL(domain_find_nodes(NULL, uuid, &domid, &error), -VANE_SYSTEM);
}

// The order is what a search after a kill relies on: what names the UUID goes last but one.
static void withdraws(void)
{
    struct vane_error error;

    fails = 0;
    asked[0] = '\0';
    CU_ASSERT_EQUAL(domain_withdraw(NULL, 12, uuid, &error), 0);
    CU_ASSERT_STRING_EQUAL(asked, "release 12;remove /local/domain/12;remove /vm/" UUID ";");
    fails = -ENOENT;
    asked[0] = '\0';
    CU_ASSERT_EQUAL(domain_withdraw(NULL, 12, uuid, &error), 0);
    CU_ASSERT_STRING_EQUAL(asked, "release 12;remove /local/domain/12;remove /vm/" UUID ";");
    fails = -ECONNRESET;
    CU_ASSERT_EQUAL(domain_withdraw(NULL, 12, uuid, &error), -VANE_SYSTEM);
}

static void leaves_dom0_alone(void)
{
    struct vane_error error;

    fails = 0;
    asked[0] = '\0';
    CU_ASSERT_EQUAL(domain_withdraw(NULL, 0, uuid, &error), 0);
    CU_ASSERT_STRING_EQUAL(asked, "remove /vm/" UUID ";");
}

// What else domain.c calls.
int xs_set(struct xs *xs, xs_tx tx, const char *node, const void *value, size_t length)
{
    (void)xs, (void)tx, (void)value, (void)length;
    return ask("set", node);
}
int xs_set_perms(struct xs *xs, xs_tx tx, const char *node, const char *perms, size_t length)
{
    (void)xs, (void)tx, (void)perms, (void)length;
    return ask("perms", node);
}
int xs_begin(struct xs *xs, xs_tx *tx)
{
    (void)xs;
    *tx = 1;
    return ask("begin", "");
}
int xs_end(struct xs *xs, xs_tx tx, bool commit)
{
    (void)xs, (void)tx;
    return ask("end", commit ? "1" : "0");
}
int xs_batch_begin(struct xs *xs)
{
    (void)xs;
    return 0;
}
int xs_batch_end(struct xs *xs, size_t *failed)
{
    (void)xs, (void)failed;
    return 0;
}
int xs_introduce(struct xs *xs, unsigned domid, uint64_t gfn, uint32_t port)
{
    (void)xs, (void)domid, (void)gfn, (void)port;
    return ask("introduce", "");
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "finds", finds },
        { "withdraws", withdraws },
        { "leaves_dom0_alone", leaves_dom0_alone },
        { NULL, NULL },
    };

    return unit_main("vane_domain", tests);
}
