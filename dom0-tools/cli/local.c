// SPDX-License-Identifier: MIT
// Commands that need no vaned: the store, and a look at the host.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../definition/definition.h"
#include "http.h"
#include "vane.h"
#include "xenstore-like/client/xs.h"

// The store's own command does all of it; it stands beside this one.
int run_store(const struct vane *vane, const struct command *command)
{
    static const char *const allowed[] = { "ls", "read", "write", "watch", "list", "rm", NULL };
    char path[4096], *words[72] = { "vane-store" };
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 16);
    const char *const *word = allowed;
    char *slash;

    while (*word && strcmp(*word, vane->words[0]) != 0)
        word++;
    if (!*word)
        return complain("the store has no command %s: use %s", vane->words[0], command->words), EXIT_USAGE;
    memcpy(words + 1, vane->words, sizeof(words[0]) * (size_t)vane->nr_words);
    path[length < 0 ? 0 : length] = '\0';
    slash = strrchr(path, '/');
    if (slash) {
        strcpy(slash + 1, "vane-store");
        execv(path, words);
    }
    execvp("vane-store", words);
    return complain("vane-store cannot be run (%s): install it beside vane", strerror(errno));
}

int run_schema(const struct vane *vane, const struct command *command)
{
    char *text = definition_schema();

    (void)vane;
    (void)command;
    if (!text)
        return EXIT_FAILED;
    fputs(text, stdout);
    free(text);
    return EXIT_DONE;
}

static int can_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : errno;
}

static int check_store(const struct vane *vane, const char *what)
{
    struct xs *xs;
    char *value;
    int rc = xs_connect(&xs, NULL);

    (void)vane;
    (void)what;
    if (rc)
        return -rc;
    rc = xs_get(xs, XS_NO_TX, "/tool", &value, NULL);
    if (rc == 0)
        free(value);
    xs_disconnect(xs);
    return rc == -ENOENT ? 0 : -rc;
}

static int check_device(const struct vane *vane, const char *what)
{
    (void)vane;
    return can_open(what);
}

static int check_vaned(const struct vane *vane, const char *what)
{
    char *text;
    int status = http_request(vane->socket, "GET", what, "", 0, &text);

    if (status >= 0)
        free(text);
    return status < 0 ? -status : status == 200 ? 0 : EPROTO;
}

int run_doctor(const struct vane *vane, const struct command *command)
{
    static const struct {
        const char *name, *what, *cure;
        int (*check)(const struct vane *vane, const char *what);
    } checks[] = {
        { "hypercalls", "/dev/xen/privcmd", "boot the hypervisor with this system as dom0, load xen-privcmd, be root", check_device },
        { "event channels", "/dev/xen/evtchn", "load the module xen-evtchn", check_device },
        { "grants", "/dev/xen/gntdev", "load the module xen-gntdev", check_device },
        { "store", "/run/xenstored/socket", "start vane-stored", check_store },
        { "vaned", "/v1/host", "start vaned", check_vaned },
    };
    int rc = EXIT_DONE;

    (void)command;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        int failed = checks[i].check(vane, checks[i].what);

        if (failed)
            printf("%-16s %s: %s; to mend it: %s\n", checks[i].name, checks[i].what, strerror(failed), checks[i].cure);
        else
            printf("%-16s good\n", checks[i].name);
        rc = failed ? EXIT_FAILED : rc;
    }
    return rc;
}
