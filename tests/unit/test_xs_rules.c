// SPDX-License-Identifier: MIT
// The store's small rules: paths, permissions, messages, quotas.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit_main.h"
#include "xenstore-like/daemon/path.h"
#include "xenstore-like/daemon/quota.h"
#include "xenstore-like/daemon/wire.h"

static bool valid(const char *text)
{
    return path_is_valid(text, strlen(text));
}

static void paths(void)
{
    static const char *const good[] = { "/", "/a", "/a/b", "/A-z_0@9", "/local/domain/5" };
    static const char *const bad[] = { "", "a", "//", "/a/", "/a//b", "/a b", "/a.b", "/a\x80", "@x" };
    char longest[XENSTORE_ABS_PATH_MAX + 2];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT(valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(valid(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    CU_ASSERT(path_is_valid(longest, XENSTORE_ABS_PATH_MAX));
    CU_ASSERT_FALSE(path_is_valid(longest, XENSTORE_ABS_PATH_MAX + 1));
    CU_ASSERT(path_is_special("@releaseDomain/5"));
    CU_ASSERT_FALSE(path_is_special("@"));
    CU_ASSERT_FALSE(path_is_special("@/x"));
    CU_ASSERT_FALSE(path_is_special("@x/"));
}

static void relative_paths(void)
{
    char room[PATH_ROOM], longest[XENSTORE_REL_PATH_MAX + 2];
    struct path path;

    CU_ASSERT_EQUAL(path_resolve(&path, room, 7, "data/x"), 0);
    CU_ASSERT_STRING_EQUAL(path.text, "/local/domain/7/data/x");
    CU_ASSERT_EQUAL(path.length, strlen(path.text));
    CU_ASSERT_STRING_EQUAL(path.text + path.relative, "data/x");
    CU_ASSERT_EQUAL(path_resolve(&path, room, 7, "/x"), 0);
    CU_ASSERT_EQUAL(path.relative, 0);
    CU_ASSERT_EQUAL(path_resolve(&path, room, 7, ""), -EINVAL);
    CU_ASSERT_EQUAL(path_resolve(&path, room, 7, "@x"), -EINVAL);
    memset(longest, 'a', sizeof(longest));
    longest[XENSTORE_REL_PATH_MAX] = '\0';
    CU_ASSERT_EQUAL(path_resolve(&path, room, 65534, longest), 0);
    longest[XENSTORE_REL_PATH_MAX] = 'a';
    longest[XENSTORE_REL_PATH_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(path_resolve(&path, room, 65534, longest), -EINVAL);
}

static void path_parts(void)
{
    const char *at = "/ab/c";
    struct component c;

    CU_ASSERT(path_next(&at, &c) && c.length == 2 && memcmp(c.name, "ab", 2) == 0);
    CU_ASSERT(path_next(&at, &c) && c.length == 1 && *c.name == 'c');
    CU_ASSERT_FALSE(path_next(&at, &c));
    at = "/";
    CU_ASSERT_FALSE(path_next(&at, &c));
    CU_ASSERT_EQUAL(path_depth("/a/b/c"), 3);
}

static void permission_strings(void)
{
    static struct domain_ends ends;
    struct perm entries[4];
    struct perms *perms;
    struct buf out = { 0 };

    CU_ASSERT_EQUAL(perms_parse(entries, 4, "n0\0b65534\0", 10), 2);
    CU_ASSERT(entries[1].domid == 65534 && entries[1].bits == (PERM_READ | PERM_WRITE));
    perms = perms_new(entries, 2, 0);
    perms_format(perms, &ends, &out);
    CU_ASSERT(out.length == 10 && memcmp(out.bytes, "n0\0b65534\0", 10) == 0);
    perms_put(perms);
    buf_free(&out);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "", 0), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "n0", 2), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "x0\0", 3), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "\0", 1), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "r\0", 2), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "r65535\0", 7), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 4, "r1x\0", 4), -EINVAL);
    CU_ASSERT_EQUAL(perms_parse(entries, 1, "r1\0r2\0", 6), -EINVAL);
}

// A domain's number given to another brings no rights with it.
static void permissions_end(void)
{
    static struct domain_ends ends;
    static const struct perm entries[] = { { 3, PERM_READ }, { 5, PERM_WRITE }, { 6, 0 } };
    struct perms *perms = perms_new(entries, 3, ends.clock);

    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 0, NO_DOMID }, PERM_READ | PERM_WRITE));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 3, NO_DOMID }, PERM_WRITE));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 5, NO_DOMID }, PERM_WRITE));
    CU_ASSERT_FALSE(perms_allow(perms, &ends, (struct subject){ 5, NO_DOMID }, PERM_READ));
    CU_ASSERT_FALSE(perms_allow(perms, &ends, (struct subject){ 6, NO_DOMID }, PERM_READ));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 9, NO_DOMID }, PERM_READ));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 9, 3 }, PERM_WRITE));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 6, 5 }, PERM_WRITE));
    perms_domain_ended(&ends, 5);
    CU_ASSERT_FALSE(perms_allow(perms, &ends, (struct subject){ 5, NO_DOMID }, PERM_WRITE));
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 5, NO_DOMID }, PERM_READ));
    perms_put(perms);
    perms = perms_new(entries, 3, ends.clock);
    CU_ASSERT(perms_allow(perms, &ends, (struct subject){ 5, NO_DOMID }, PERM_WRITE));
    perms_put(perms);
}

static void messages(void)
{
    struct xsd_sockmsg header = { XS_READ, 1, 0, XENSTORE_PAYLOAD_MAX };
    const char *strings[2];
    size_t rest;
    uint32_t number;

    CU_ASSERT_EQUAL(wire_size(&header, sizeof(header) - 1), 0);
    CU_ASSERT_EQUAL(wire_size(&header, sizeof(header)), WIRE_MAX);
    header.len++;
    CU_ASSERT_EQUAL(wire_size(&header, sizeof(header)), -EMSGSIZE);
    header.len = UINT32_MAX;
    CU_ASSERT_EQUAL(wire_size(&header, sizeof(header)), -EMSGSIZE);
    CU_ASSERT_EQUAL(wire_strings("a\0\0bc", 5, strings, 2, &rest), 2);
    CU_ASSERT(rest == 3 && strcmp(strings[0], "a") == 0 && *strings[1] == '\0');
    CU_ASSERT_EQUAL(wire_strings("ab", 2, strings, 2, &rest), 0);
    CU_ASSERT_EQUAL(wire_number("65535", 65535, &number), 0);
    CU_ASSERT_EQUAL(number, 65535);
    CU_ASSERT_EQUAL(wire_number("65536", 65535, &number), -EINVAL);
    CU_ASSERT_EQUAL(wire_number("99999999999999999999999", UINT32_MAX, &number), -EINVAL);
    CU_ASSERT_EQUAL(wire_number("", 9, &number), -EINVAL);
    CU_ASSERT_EQUAL(wire_number("-1", 9, &number), -EINVAL);
    CU_ASSERT_STRING_EQUAL(wire_error(EAGAIN), "EAGAIN");
    CU_ASSERT_STRING_EQUAL(wire_error(ENODEV), "EIO");
}

static void limits(void)
{
    static struct quotas q;
    struct subject guest = { 4, NO_DOMID }, dom0 = { 0, NO_DOMID };

    quota_init(&q);
    q.limit[QUOTA_NODES] = 10;
    CU_ASSERT_EQUAL(quota_check(&q, guest, QUOTA_NODES, 10), 0);
    CU_ASSERT_EQUAL(quota_check(&q, guest, QUOTA_NODES, 11), -ENOSPC);
    CU_ASSERT_EQUAL(quota_check(&q, dom0, QUOTA_NODES, 11), 0);
    CU_ASSERT_EQUAL(q.accounts[4]->refused[QUOTA_NODES], 1);
    CU_ASSERT_EQUAL(q.refused[QUOTA_NODES], 1);
    quota_account(&q, 4)->has_limit[QUOTA_NODES] = true;
    quota_account(&q, 4)->limit[QUOTA_NODES] = 12;
    CU_ASSERT_EQUAL(quota_check(&q, guest, QUOTA_NODES, 12), 0);
    CU_ASSERT_EQUAL(quota_check(&q, guest, QUOTA_NODES, 13), -ENOSPC);
    quota_account(&q, 4)->limit[QUOTA_NODES] = 0;
    CU_ASSERT_EQUAL(quota_check(&q, guest, QUOTA_NODES, 1000000), 0);
    CU_ASSERT_EQUAL(quota_find("node-size"), QUOTA_NODE_SIZE);
    CU_ASSERT_EQUAL(quota_find("node"), -1);
    quota_forget(&q, 4);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "paths", paths },
        { "relative paths", relative_paths },
        { "parts of paths", path_parts },
        { "permission strings", permission_strings },
        { "permissions end with a domain", permissions_end },
        { "messages", messages },
        { "limits", limits },
        { NULL, NULL },
    };

    return unit_main("xs_rules", tests);
}
