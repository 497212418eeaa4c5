// SPDX-License-Identifier: MIT
#include "domain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIES = 100 };

// Nodes are written in order, each below one that is there: it takes over that one's permissions.
struct writer {
    struct xs *xs;
    xs_tx tx;
    unsigned domid;
    char folder[128];               // that nodes are named from
    int rc;                         // of the first failure; all that follows does nothing
};

static const char *path_of(const struct writer *w, const char *node, char path[256])
{
    snprintf(path, 256, "%s%s%s", w->folder, *node ? "/" : "", node);
    return path;
}

static void put(struct writer *w, const char *node, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(struct writer *w, const char *node, const char *format, ...)
{
    char path[256], value[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if (!w->rc)
        w->rc = xs_set(w->xs, w->tx, path_of(w, node, path), value, strlen(value));
}

// The folder itself, which the guest may read with all that is below it.
static void put_folder(struct writer *w)
{
    char perms[32];
    int length = snprintf(perms, sizeof(perms), "n0%cr%u", 0, w->domid);

    put(w, "", "%s", "");
    if (!w->rc)
        w->rc = xs_set_perms(w->xs, w->tx, w->folder, perms, (size_t)length + 1);
}

// A node that is the guest's to write.
static void put_for_guest(struct writer *w, const char *node)
{
    char path[256], perms[32];
    int length = snprintf(perms, sizeof(perms), "n%u", w->domid);

    put(w, node, "%s", "");
    if (!w->rc)
        w->rc = xs_set_perms(w->xs, w->tx, path_of(w, node, path), perms, (size_t)length + 1);
}

void domain_uuid_text(const uint8_t uuid[HV_HANDLE_SIZE], char text[DOMAIN_UUID_TEXT])
{
    char *at = text;

    for (unsigned i = 0; i < HV_HANDLE_SIZE; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}

static void put_domain(struct writer *w, const struct domain_config *config, const struct built *built, const char *vm)
{
    static const char *const guests[] = { "control/shutdown", "control/feature-poweroff", "control/feature-reboot",
                                          "control/feature-suspend", "control/sysrq", "data", "drivers", "feature", "attr",
                                          "error" };
    char node[64];

    put_folder(w);
    put(w, "vm", "%s", vm);
    put(w, "name", "%s", config->name);
    put(w, "domid", "%u", built->domid);
    put(w, "memory/static-max", "%lu", config->max_pages * 4);
    put(w, "memory/target", "%lu", config->target_pages * 4);
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        snprintf(node, sizeof(node), "cpu/%u/availability", i);
        put(w, node, "%s", i < config->nr_online ? "online" : "offline");
    }
    put(w, "device", "%s", "");
    put(w, "control/platform-feature-multiprocessor-suspend", "1");
    put(w, "control/platform-feature-xs_reset_watches", "1");
    for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
        put_for_guest(w, guests[i]);
}

static void put_rings(struct writer *w, const struct domain_config *config, const struct built *built)
{
    put(w, "store/port", "%u", built->store_port);
    put(w, "store/ring-ref", "%lu", built->store_frame);
    put(w, "console/port", "%u", built->console_port);
    put(w, "console/ring-ref", "%lu", built->console_frame);
    put(w, "console/backend-id", "0");
    put(w, "console/limit", "%u", 1u << 20);
    put(w, "console/output", "pty");
    put(w, "console/tty", "%s", "");
    put(w, "console/type", "%s", config->console_type ? config->console_type : "xenconsoled");
}

static void put_vm(struct writer *w, const struct domain_config *config, const char *uuid)
{
    put_folder(w);
    put(w, "uuid", "%s", uuid);
    put(w, "name", "%s", config->name);
    put(w, "start_time", "%ld", (long)time(NULL));
}

static void put_all(struct writer *w, const struct domain_config *config, const struct built *built)
{
    char uuid[DOMAIN_UUID_TEXT], vm[64];

    domain_uuid_text(config->uuid, uuid);
    snprintf(vm, sizeof(vm), "/vm/%s", uuid);
    snprintf(w->folder, sizeof(w->folder), "/local/domain/%u", built->domid);
    put_domain(w, config, built, vm);
    put_rings(w, config, built);
    snprintf(w->folder, sizeof(w->folder), "%s", vm);
    put_vm(w, config, uuid);
}

static int write_all(struct writer *w, const struct domain_config *config, const struct built *built)
{
    int rc = xs_begin(w->xs, &w->tx), ended;

    if (rc)
        return rc;
    w->rc = xs_batch_begin(w->xs);
    if (!w->rc) {
        put_all(w, config, built);
        rc = xs_batch_end(w->xs, NULL);
        w->rc = w->rc ? w->rc : rc;
    }
    ended = xs_end(w->xs, w->tx, !w->rc);
    return w->rc ? w->rc : ended;
}

int domain_publish(struct xs *xs, const struct domain_config *config, const struct built *built, struct vane_error *error)
{
    struct writer w = { .xs = xs, .domid = built->domid };
    struct vane_error ignored;
    int rc = -EAGAIN;

    for (unsigned i = 0; i < TRIES && rc == -EAGAIN; i++)
        rc = write_all(&w, config, built);
    if (!rc)
        rc = xs_introduce(xs, built->domid, built->store_frame, built->store_port);
    if (!rc)
        return 0;
    (void)domain_withdraw(xs, built->domid, config->uuid, &ignored);        // the first failure is the one to tell
    return vane_fail_errno(error, rc, "the store refuses domain %u (%s)", built->domid, config->name);
}

// The domain's own nodes go before those under its UUID, and say it themselves: so whatever is left can be found by it.
int domain_withdraw(struct xs *xs, unsigned domid, const uint8_t uuid[HV_HANDLE_SIZE], struct vane_error *error)
{
    char path[64], text[DOMAIN_UUID_TEXT];
    int rc = domid ? xs_release(xs, domid) : 0, removed = 0;

    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    if (domid)
        removed = xs_remove(xs, XS_NO_TX, path);
    domain_uuid_text(uuid, text);
    snprintf(path, sizeof(path), "/vm/%s", text);
    if (!removed || removed == -ENOENT)
        removed = xs_remove(xs, XS_NO_TX, path);
    if (removed && removed != -ENOENT)
        return vane_fail_errno(error, removed, "removing the nodes of domain %u from the store", domid);
    if (rc && rc != -ENOENT && rc != -EINVAL)       // the store lets go of a domain that is dying by itself
        return vane_fail_errno(error, rc, "the store does not release domain %u", domid);
    return 0;
}

static bool names_vm(struct xs *xs, const char *domain, const char *vm)
{
    char path[64], *value;
    bool same;

    snprintf(path, sizeof(path), "/local/domain/%.16s/vm", domain);
    if (xs_get(xs, XS_NO_TX, path, &value, NULL))
        return false;
    same = strcmp(value, vm) == 0;
    free(value);
    return same;
}

int domain_find_nodes(struct xs *xs, const uint8_t uuid[HV_HANDLE_SIZE], unsigned *domid, struct vane_error *error)
{
    char text[DOMAIN_UUID_TEXT], vm[64], *names;
    size_t length;
    int rc = xs_list(xs, XS_NO_TX, "/local/domain", &names, &length);

    *domid = 0;
    if (rc)
        return rc == -ENOENT ? 0 : vane_fail_errno(error, rc, "reading /local/domain in the store");
    domain_uuid_text(uuid, text);
    snprintf(vm, sizeof(vm), "/vm/%s", text);
    for (const char *name = names; name < names + length && !*domid; name += strlen(name) + 1)
        if (names_vm(xs, name, vm))
            *domid = (unsigned)strtoul(name, NULL, 10);
    free(names);
    return 0;
}

// --- Requests

static int node_set(struct xs *xs, unsigned domid, const char *node, const char *value, struct vane_error *error)
{
    char path[128];
    int rc;

    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    rc = xs_set(xs, XS_NO_TX, path, value, strlen(value));
    return rc ? vane_fail_errno(error, rc, "writing %s in the store", path) : 0;
}

int domain_request_taken(struct xs *xs, unsigned domid, bool *taken, struct vane_error *error)
{
    char path[128], *value;
    int rc;

    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
    rc = xs_get(xs, XS_NO_TX, path, &value, NULL);
    if (rc)
        return vane_fail_errno(error, rc, "reading %s in the store", path);
    *taken = !*value;
    free(value);
    return 0;
}

int domain_request(struct xs *xs, unsigned domid, const char *what, struct vane_error *error)
{
    bool taken;
    int rc = domain_request_taken(xs, domid, &taken, error);

    if (rc)
        return rc;
    if (!taken)
        return vane_fail(error, VANE_STATE, "domain %u has not taken its last request yet: wait, or destroy it", domid);
    return node_set(xs, domid, "control/shutdown", what, error);
}

int domain_sysrq(struct xs *xs, unsigned domid, char key, struct vane_error *error)
{
    return node_set(xs, domid, "control/sysrq", (const char[]){ key, '\0' }, error);
}

int domain_set_target(struct xs *xs, unsigned domid, uint64_t pages, struct vane_error *error)
{
    char value[32];

    snprintf(value, sizeof(value), "%lu", pages * 4);
    return node_set(xs, domid, "memory/target", value, error);
}

int domain_set_vcpu(struct xs *xs, unsigned domid, unsigned vcpu, bool online, struct vane_error *error)
{
    char node[64];

    snprintf(node, sizeof(node), "cpu/%u/availability", vcpu);
    return node_set(xs, domid, node, online ? "online" : "offline", error);
}

int domain_rename(struct xs *xs, unsigned domid, const char *name, struct vane_error *error)
{
    return node_set(xs, domid, "name", name, error);
}
