// SPDX-License-Identifier: MIT
// A hypervisor made of files, for tests on a machine without one (xenstub.c draws the folder). The files outlive the daemon as guests' pages do.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xenstore-like/daemon/buf.h"
#include "xenstore-like/daemon/host.h"

enum { PAGE = 4096, VIRQ = 20000 };

struct sim {
    struct host host;
    char folder[256];
    int notify[VIRQ];           // descriptors and 1, 0: not open
};

static struct sim *sim_of(struct host *host)
{
    return (struct sim *)host;
}

static int open_file(struct sim *sim, const char *kind, unsigned domid, int flags)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s.%u", sim->folder, kind, domid);
    return open(path, flags | O_CLOEXEC);
}

static struct xenstore_domain_interface *sim_map(struct host *host, uint16_t domid)
{
    int fd = open_file(sim_of(host), "ring", domid, O_RDWR);
    void *page;

    if (fd < 0)
        return NULL;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

static void sim_unmap(struct host *host, struct xenstore_domain_interface *page)
{
    (void)host;
    munmap(page, PAGE);
}

static int64_t sim_bind(struct host *host, uint16_t domid, uint32_t remote_port)
{
    (void)host;
    (void)remote_port;
    return domid < VIRQ ? domid : -EINVAL;
}

static void sim_unbind(struct host *host, uint32_t port)
{
    struct sim *sim = sim_of(host);

    if (sim->notify[port])
        close(sim->notify[port] - 1);
    sim->notify[port] = 0;
}

static void sim_notify(struct host *host, uint32_t port)
{
    struct sim *sim = sim_of(host);

    if (!sim->notify[port])
        sim->notify[port] = open_file(sim, "dom", port, O_RDWR | O_NONBLOCK) + 1;
    if (sim->notify[port] && write(sim->notify[port] - 1, "", 1) < 0)
        return;         // full: the guest has enough to wake it
}

static size_t sim_pending(struct host *host, uint32_t *ports, size_t max)
{
    ssize_t size = read(host->fd, ports, max * sizeof(ports[0]));
    size_t count = size < 0 ? 0 : (size_t)size / sizeof(ports[0]);

    for (size_t i = 0; i < count; i++)
        if (ports[i] == VIRQ)
            ports[i] = PORT_DOMAINS;
    return count;
}

static void sim_unmask(struct host *host, uint32_t port)
{
    (void)host;
    (void)port;
}

static enum domain_life sim_life(struct host *host, uint16_t domid, uint8_t handle[HANDLE_SIZE])
{
    struct stat stat;
    int fd = open_file(sim_of(host), "ring", domid, O_RDONLY);

    memset(handle, 0, HANDLE_SIZE);
    if (fd < 0 || fstat(fd, &stat))
        return DOMAIN_GONE;
    close(fd);
    memcpy(handle, &stat.st_ino, sizeof(stat.st_ino));
    return stat.st_mode & S_ISVTX ? DOMAIN_IS_SHUT_DOWN : DOMAIN_RUNS;
}

static int64_t sim_dom0_port(struct host *host)
{
    uint8_t handle[HANDLE_SIZE];

    return sim_life(host, 0, handle) == DOMAIN_GONE ? -ENODEV : 0;
}

struct host *host_open(const char *folder)
{
    struct sim *sim = mem_zalloc(sizeof(*sim));
    char path[300];

    sim->host = (struct host){ -1, sim_map, sim_unmap, sim_bind, sim_unbind, sim_notify, sim_pending,
                               sim_unmask, sim_life, sim_dom0_port };
    snprintf(sim->folder, sizeof(sim->folder), "%s", folder);
    snprintf(path, sizeof(path), "%s/evtchn", sim->folder);
    (void)mkfifo(path, 0600);
    sim->host.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (sim->host.fd < 0) {
        free(sim);
        return NULL;
    }
    return &sim->host;
}
