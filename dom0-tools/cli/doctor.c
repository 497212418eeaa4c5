// SPDX-License-Identifier: MIT
// vane doctor: looks at the host as far as it can without vaned, and says what to mend.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "http.h"
#include "vane.h"
#include "xenstore-like/client/xs.h"

enum { MIN_FREE_KIB = 16 << 10, MIN_SPACE_KIB = 16 << 10, MESSAGE = 300 };

// What is only worth a note keeps some guests from being served, not all.
enum verdict { GOOD, NOTE, BAD };
static const char *const verdicts[] = { "good", "note", "bad" };

static bool say(char message[MESSAGE], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(char message[MESSAGE], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(message, MESSAGE, format, args);
    va_end(args);
    return false;
}

static bool check_device(const struct vane *vane, const char *path, char message[MESSAGE])
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    (void)vane;
    if (fd < 0)
        return say(message, "%s cannot be opened: %s", path, strerror(errno));
    close(fd);
    return true;
}

static bool check_store(const struct vane *vane, const char *node, char message[MESSAGE])
{
    struct xs *xs;
    char *value;
    int rc = xs_connect(&xs, NULL);

    (void)vane;
    if (rc)
        return say(message, "the store cannot be reached: %s", strerror(-rc));
    rc = xs_get(xs, XS_NO_TX, node, &value, NULL);
    if (rc == 0)
        free(value);
    xs_disconnect(xs);
    return rc == 0 || rc == -ENOENT || say(message, "the store does not give out %s: %s", node, strerror(-rc));
}

// The host as vaned sees it; NULL: it does not.
static json_t *ask_host(const struct vane *vane, char message[MESSAGE])
{
    char *text = NULL;
    int status = http_request(vane->socket, "GET", "/v1/host", "", 0, &text);
    json_t *reply = status > 0 ? json_loads(text, 0, NULL) : NULL;
    const char *refusal = json_string_value(json_object_get(json_object_get(reply, "error"), "message"));

    free(text);
    if (reply && status == 200)
        return reply;
    if (status < 0)
        say(message, "%s: %s", vane->socket, strerror(-status));
    else
        say(message, "%s", refusal ? refusal : "its reply cannot be read");
    json_decref(reply);
    return NULL;
}

static bool check_vaned(const struct vane *vane, const char *what, char message[MESSAGE])
{
    json_t *host = ask_host(vane, message);

    (void)what;
    json_decref(host);
    return host;
}

static bool check_memory(const struct vane *vane, const char *what, char message[MESSAGE])
{
    char ignored[MESSAGE];
    json_t *host = ask_host(vane, ignored);
    json_int_t free_kib = json_integer_value(json_object_get(host, "free_kib"));
    bool good = !host || free_kib >= MIN_FREE_KIB;

    (void)what;
    json_decref(host);
    return good || say(message, "%" JSON_INTEGER_FORMAT " KiB are free for guests", free_kib);
}

static bool check_space(const struct vane *vane, const char *folder, char message[MESSAGE])
{
    struct statvfs fs;
    uint64_t kib;

    (void)vane;
    if (statvfs(folder, &fs) || !fs.f_blocks)
        return true;                // it is made when it is needed; or without limits
    kib = (uint64_t)fs.f_bavail * fs.f_frsize / 1024;
    return kib >= MIN_SPACE_KIB || say(message, "%" PRIu64 " KiB are free in %s", kib, folder);
}

static bool check_program(const struct vane *vane, const char *name, char message[MESSAGE])
{
    const char *folders = getenv("PATH");
    char path[4096];

    (void)vane;
    for (const char *at = folders; at && *at; at += strcspn(at, ":") + (at[strcspn(at, ":")] == ':')) {
        snprintf(path, sizeof(path), "%.*s/%s", (int)strcspn(at, ":"), at, name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return say(message, "%s is not in the PATH", name);
}

static bool check_path(const struct vane *vane, const char *path, char message[MESSAGE])
{
    (void)vane;
    return access(path, F_OK) == 0 || say(message, "there is no %s", path);
}

static const struct check {
    const char *name, *what, *cure;
    bool (*check)(const struct vane *vane, const char *what, char message[MESSAGE]);
    enum verdict failed;
} checks[] = {
    { "hypercalls", "/dev/xen/privcmd", "boot the hypervisor with this system as dom0, load xen-privcmd, be root", check_device, BAD },
    { "event channels", "/dev/xen/evtchn", "load the module xen-evtchn", check_device, BAD },
    { "grants", "/dev/xen/gntdev", "load the module xen-gntdev", check_device, BAD },
    { "store", "/tool", "start vane-stored", check_store, BAD },
    { "vaned", NULL, "start vaned", check_vaned, BAD },
    { "memory", NULL, "stop a guest, or give dom0 less: dom0_mem= on the hypervisor's command line", check_memory, BAD },
    { "definitions", "/var/lib/vane", "make room, or nothing can be defined", check_space, BAD },
    { "logs", "/var/log/vane", "make room, or what guests say is lost", check_space, NOTE },
    { "disks", "vane-blk", "install it, or let the kernel serve disks (driver 'kernel')", check_program, NOTE },
    { "kernel's disks", "/sys/bus/xen-backend/drivers/vbd", "load xen-blkback if disks have the driver 'kernel'", check_path, NOTE },
    { "NICs", "vane-net", "install it, or let the kernel serve NICs (driver 'kernel')", check_program, NOTE },
    { "TAP devices", "/dev/net/tun", "load tun, which vane-net needs", check_path, NOTE },
    { "kernel's NICs", "/sys/bus/xen-backend/drivers/vif", "load xen-netback if NICs have the driver 'kernel'", check_path, NOTE },
};

static void print_check(const struct check *check, enum verdict verdict, const char *message)
{
    if (verdict)
        printf("%-16s %s: %s; to mend it: %s\n", check->name, verdicts[verdict], message, check->cure);
    else
        printf("%-16s good\n", check->name);
}

int run_doctor(const struct vane *vane, const struct command *command)
{
    bool is_json = vane->output == OUTPUT_JSON;
    json_t *all = json_array(), *report;
    enum verdict worst = GOOD;

    (void)command;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        char message[MESSAGE];
        enum verdict verdict = checks[i].check(vane, checks[i].what, message) ? GOOD : checks[i].failed;

        worst = verdict > worst ? verdict : worst;
        json_array_append_new(all, json_pack("{ss ss ss* ss*}", "name", checks[i].name, "verdict", verdicts[verdict], "message",
                                             verdict ? message : NULL, "cure", verdict ? checks[i].cure : NULL));
        if (!is_json)
            print_check(&checks[i], verdict, message);
    }
    report = json_pack("{ss so}", "verdict", verdicts[worst], "checks", all);
    if (is_json)
        print_json(report);
    json_decref(report);
    return worst == BAD ? EXIT_FAILED : EXIT_DONE;
}
