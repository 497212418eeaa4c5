// SPDX-License-Identifier: MIT
// The machine under vaned by libvane: hypercalls, and the store, which also tells of domains that ended. The
// hypervisor's own event for that is the store daemon's: one program can have it.
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/console.h"
#include "../lib/device.h"
#include "../lib/domain.h"
#include "host.h"

enum { KIB_PER_PAGE = 4, STORE_WAIT_MS = 10000, STORE_TRIES = 3, NIC_TRIES = 1000, NIC_TRY_US = 10000 };

// Block devices made of files, held open for a domain: the backend has them open too once it has seen them. Who builds puts
// them here, who ends a domain lets them go, and these are two threads.
struct held {
    unsigned id;
    int fd;
};

static struct {
    pthread_mutex_t lock;
    struct held *items;
    size_t count;
} all_held = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct host {
    struct hv hv;
    struct xs *xs;
    struct xs *ends;                    // watches @releaseDomain
    bool is_deaf;                       // that connection is gone
    struct image_cache *cache;
    struct xen_devices xen;             // ports and grants, for consoles
    struct console_end consoles[HOST_MAX_DOMAINS];
    unsigned nr_consoles;
    struct hv_domain domains[HOST_MAX_DOMAINS];
};

const char *const host_phase_names[HOST_NR_PHASES] = {
    [BUILD_CREATE] = "create", [BUILD_MEMORY] = "memory", [BUILD_KERNEL] = "kernel", [BUILD_INITRAMFS] = "initramfs",
    [BUILD_START] = "start",
};
_Static_assert(HOST_NR_PHASES == (int)BUILD_NR_PHASES, "the builder's phases have names");

static int no_store(int rc, struct vane_error *error)
{
    return vane_fail_errno(error, rc, "the store cannot be reached: start vane-stored");
}

// What building and all else need.
static int open_any(struct host **host, const char *folder, struct vane_error *error)
{
    struct host *h = calloc(1, sizeof(*h));
    int rc;

    *host = h;
    if (!h)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory to begin with");
    h->xen.evtchn = h->xen.gntdev = -1;
    rc = hv_open(&h->hv, folder, error);
    if (rc)
        return rc;
    rc = xs_connect(&h->xs, NULL);
    return rc ? no_store(rc, error) : 0;
}

int host_open(struct host **host, const char *folder, struct vane_error *error)
{
    int rc = open_any(host, folder, error);
    const char *device;

    if (rc)
        return rc;
    rc = xen_open_ports(&(*host)->xen, folder, &device);
    if (rc)
        return vane_fail_errno(error, rc, "%s/%s cannot be opened: load its module", folder, device);
    rc = xs_connect(&(*host)->ends, NULL);
    if (rc == 0)
        rc = xs_watch((*host)->ends, "@releaseDomain", "end");
    return rc ? no_store(rc, error) : 0;
}

int host_open_builder(struct host **host, const char *folder, struct vane_error *error)
{
    int rc = open_any(host, folder, error);

    return rc ? rc : image_cache_new(&(*host)->cache, error);
}

void host_close(struct host *h)
{
    if (h->ends)
        xs_disconnect(h->ends);
    xs_disconnect(h->xs);
    if (h->cache)
        image_cache_free(h->cache);
    if (h->xen.evtchn >= 0)
        close(h->xen.evtchn);
    if (h->xen.gntdev >= 0)
        close(h->xen.gntdev);
    hv_close(&h->hv);
    free(h);
}

int host_fd(const struct host *h)
{
    return h->is_deaf ? -1 : xs_fd(h->ends);
}

void host_taken(struct host *h)
{
    char *node, *token;
    int rc = h->is_deaf ? xs_reconnect(h->ends, 0) : 0;

    h->is_deaf = rc != 0;
    while (rc == 0 && (rc = xs_event(h->ends, 0, &node, &token)) == 0) {
        free(node);
        free(token);
    }
    if (rc && rc != -ETIMEDOUT)
        h->is_deaf = true;
}

// The store may have been killed and started since the last time.
static int store(struct host *h, struct vane_error *error)
{
    bool ignored;
    int rc = xs_is_introduced(h->xs, 0, &ignored);

    if (rc == -ECONNRESET || rc == -EPIPE)
        rc = xs_reconnect(h->xs, STORE_WAIT_MS);
    return rc ? vane_fail_errno(error, rc, "the store does not answer: start vane-stored") : 0;
}

// After a failure: whether it was the store's end, and there is one again. Then what was asked is asked anew.
static bool store_is_back(struct host *h)
{
    return xs_fd(h->xs) < 0 && xs_reconnect(h->xs, STORE_WAIT_MS) == 0;
}

int host_facts(struct host *h, struct host_facts *facts, struct vane_error *error)
{
    struct hv_version version;
    struct hv_host host;
    int rc = hv_host(&h->hv, &host, error);

    if (rc == 0)
        rc = hv_version(&h->hv, &version, error);
    if (rc)
        return rc;
    facts->nr_cpus = host.nr_cpus;
    facts->cpu_khz = host.cpu_khz;
    facts->total_kib = host.total_pages * KIB_PER_PAGE;
    facts->free_kib = (host.free_pages - host.claimed_pages) * KIB_PER_PAGE;
    snprintf(facts->version, sizeof(facts->version), "Xen ABI %u.%u%.16s", version.major, version.minor, version.extra);
    return 0;
}

static void tell(const struct hv_domain *from, struct host_domain *to)
{
    static const enum host_end ends[] = {
        [HV_POWEROFF] = END_POWEROFF, [HV_REBOOT] = END_REBOOT, [HV_SUSPEND] = END_SUSPEND, [HV_CRASH] = END_CRASH,
        [HV_WATCHDOG] = END_WATCHDOG, [HV_SOFT_RESET] = END_REBOOT,
    };

    *to = (struct host_domain){
        .id = from->domid, .nr_vcpus = from->nr_online_vcpus, .shut_down = from->shut_down, .dying = from->dying,
        .paused = from->paused, .end = (unsigned)from->reason <= HV_SOFT_RESET ? ends[from->reason] : END_CRASH,
        .memory_kib = from->pages * KIB_PER_PAGE, .max_memory_kib = from->max_pages * KIB_PER_PAGE,
        .cpu_time_ns = from->cpu_time_ns, .claimed_kib = from->claimed_pages * KIB_PER_PAGE,
    };
    memcpy(to->uuid, from->handle, sizeof(to->uuid));
}

int host_domains(struct host *h, struct host_domain *domains, unsigned max, unsigned *count, struct vane_error *error)
{
    int rc = hv_domain_list(&h->hv, 0, h->domains, max < HOST_MAX_DOMAINS ? max : HOST_MAX_DOMAINS, count, error);

    for (unsigned i = 0; rc == 0 && i < *count; i++)
        tell(&h->domains[i], &domains[i]);
    return rc;
}

int host_vcpu(struct host *h, unsigned id, unsigned vcpu, struct host_vcpu *info, struct vane_error *error)
{
    struct hv_vcpu v;
    int rc = hv_vcpu_info(&h->hv, id, vcpu, &v, error);

    if (rc == 0)
        *info = (struct host_vcpu){ v.online, v.blocked, v.running, v.cpu, v.cpu_time_ns };
    return rc;
}

// What dom0's kernel received from an interface its guest has sent.
bool host_nic_figures(struct host *h, unsigned id, unsigned index, struct nic_figures *figures)
{
    const struct { const char *name; uint64_t *figure; } files[] = {
        { "tx_bytes", &figures->received_bytes }, { "rx_bytes", &figures->sent_bytes },
        { "tx_packets", &figures->received_packets }, { "rx_packets", &figures->sent_packets },
        { "tx_dropped", &figures->received_drops }, { "rx_dropped", &figures->sent_drops },
    };

    (void)h;
    *figures = (struct nic_figures){ 0 };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[100];
        FILE *f;
        int r;

        snprintf(path, sizeof(path), "/sys/class/net/vif%u.%u/statistics/%s", id, index, files[i].name);
        f = fopen(path, "re");
        r = f ? fscanf(f, "%" SCNu64, files[i].figure) : 0;
        if (f)
            fclose(f);
        if (r != 1)
            return false;
    }
    return true;
}

int host_log(struct host *h, char *text, size_t size, struct vane_error *error)
{
    uint32_t index = 0;
    size_t length = 0;
    int rc = hv_console_read(&h->hv, text, size - 1, &index, &length, error);

    text[rc ? 0 : length] = '\0';
    return rc;
}

void host_store_figures(struct host *h, char *text, size_t size, bool *is_up)
{
    int rc = xs_fd(h->xs) < 0 ? xs_reconnect(h->xs, 0) : 0;
    char *answer = NULL;

    if (rc == 0)
        rc = xs_control(h->xs, "figures", sizeof("figures"), &answer);
    *is_up = rc == 0 || rc == -EINVAL;              // it does not know the word
    snprintf(text, size, "%s", rc ? "" : answer);
    if (rc == 0)
        free(answer);
}

static int hold(unsigned id, int fd, struct vane_error *error)
{
    struct held *items;

    pthread_mutex_lock(&all_held.lock);
    items = realloc(all_held.items, (all_held.count + 1) * sizeof(*items));
    if (items) {
        all_held.items = items;
        items[all_held.count++] = (struct held){ id, fd };
    }
    pthread_mutex_unlock(&all_held.lock);
    if (items)
        return 0;
    close(fd);
    return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for a disk");
}

static void let_go(unsigned id)
{
    size_t kept = 0;

    pthread_mutex_lock(&all_held.lock);
    for (size_t i = 0; i < all_held.count; i++) {
        if (all_held.items[i].id == id)
            close(all_held.items[i].fd);
        else
            all_held.items[kept++] = all_held.items[i];
    }
    all_held.count = kept;
    pthread_mutex_unlock(&all_held.lock);
}

static int add_disk(struct host *h, unsigned id, const struct disk *d, struct vane_error *error)
{
    char device[32];
    struct device_disk disk = {
        .target = d->target, .path = disk_is_ours(d) ? NULL : d->type == DISK_FILE ? device : d->block,
        .read_only = d->readonly || d->device,
    };
    int fd, rc = !disk_is_ours(d) && d->type == DISK_FILE ? device_loop(d->file, disk.read_only, &fd, device, error) : 0;

    if (rc == 0 && !disk_is_ours(d) && d->type == DISK_FILE)
        rc = hold(id, fd, error);
    return rc ? rc : device_add_disk(h->xs, id, &disk, error);
}

// The kernel makes the interface by itself, within milliseconds; vane-net makes its own.
static int add_nic(struct host *h, unsigned id, const struct definition *d, unsigned index, struct vane_error *error)
{
    const struct nic *of = (const struct nic *)d->nics.items + index;
    struct device_nic nic = { .index = index, .bridge = of->bridge, .is_own = nic_is_ours(of) };
    bool ready = nic.is_own;
    int rc;

    nic_address(d, index, nic.mac);
    rc = device_add_nic(h->xs, id, &nic, error);
    for (unsigned i = 0; rc == 0 && !ready && i < NIC_TRIES; i++) {
        rc = device_plug_nic(h->xs, id, &nic, &ready, error);
        if (!ready)
            usleep(NIC_TRY_US);
    }
    return rc || ready ? rc : vane_fail(error, VANE_TIMEOUT, "NIC %u: the kernel makes no interface for it: load xen_netback",
                                        index);
}

static int add_devices(struct host *h, unsigned id, const struct definition *d, struct vane_error *error)
{
    const struct disk *disks = d->disks.items;
    int rc = 0;

    for (size_t i = 0; i < d->disks.count && rc == 0; i++)
        rc = add_disk(h, id, &disks[i], error);
    for (size_t i = 0; i < d->nics.count && rc == 0; i++)
        rc = add_nic(h, id, d, (unsigned)i, error);
    return rc;
}

static int withdraw_once(struct host *h, unsigned id, const uint8_t uuid[16], struct vane_error *error)
{
    int rc = id ? 0 : domain_find_nodes(h->xs, uuid, &id, error);

    if (rc == 0 && id)
        rc = device_remove_all(h->xs, id, error);
    return rc ? rc : domain_withdraw(h->xs, id, uuid, error);
}

static int withdraw(struct host *h, unsigned id, const uint8_t uuid[16], struct vane_error *error)
{
    int tries = STORE_TRIES, rc;

    do
        rc = withdraw_once(h, id, uuid, error);
    while (rc && store_is_back(h) && --tries);
    return rc;
}

// What the store is to know of it, and its devices. A store that was killed meanwhile may have a part of that.
static int furnish(struct host *h, const struct domain_config *domain, const struct built *built, const struct definition *d,
                   struct vane_error *error)
{
    struct vane_error ignored;
    int tries = STORE_TRIES, rc;

    do {
        rc = domain_publish(h->xs, domain, built, error);
        if (rc == 0)
            rc = add_devices(h, built->domid, d, error);
        if (!rc || !store_is_back(h))
            break;
        let_go(built->domid);
        (void)withdraw(h, built->domid, domain->uuid, &ignored);
    } while (--tries);
    return rc;
}

int host_build(struct host *h, const struct definition *d, unsigned *id, uint64_t phase_ns[HOST_NR_PHASES],
               struct vane_error *error)
{
    struct build_config build = {
        .domain = { .nr_vcpus = (unsigned)d->max_vcpus, .max_grant_frames = -1, .max_maptrack_frames = -1 },
        .pages = d->memory_kib / KIB_PER_PAGE, .max_pages = d->max_memory_kib / KIB_PER_PAGE,
        .initramfs = d->initrd, .command_line = d->cmdline,
    };
    struct domain_config domain = {
        .name = d->name, .target_pages = build.pages, .max_pages = build.max_pages, .nr_vcpus = (unsigned)d->max_vcpus,
        .nr_online = (unsigned)d->vcpus, .console_type = "vaned",
    };
    struct vane_error ignored;
    struct built built = { 0 };
    int rc = image_cache_get(h->cache, d->kernel, &build.kernel, error);

    if (rc == 0)
        rc = store(h, error);
    if (rc)
        return rc;
    uuid_bytes(d->uuid, build.domain.handle);
    memcpy(domain.uuid, build.domain.handle, sizeof(domain.uuid));
    rc = build_domain(&h->hv, &build, &built, error);
    if (rc)
        return rc;
    rc = furnish(h, &domain, &built, d, error);
    if (rc)
        (void)host_destroy(h, built.domid, build.domain.handle, &ignored);
    memcpy(phase_ns, built.phase_ns, sizeof(built.phase_ns));
    *id = rc ? 0 : built.domid;
    return rc;
}

// What the hypervisor has of it goes first: after that no id of another domain can be meant in the store.
int host_destroy(struct host *h, unsigned id, const uint8_t uuid[16], struct vane_error *error)
{
    struct vane_error gone;
    int rc = id ? hv_domain_destroy(&h->hv, id, &gone) : 0, withdrawn;

    let_go(id);
    withdrawn = withdraw(h, id, uuid, error);
    if (rc && rc != -VANE_NOT_FOUND)
        *error = gone;
    return rc && rc != -VANE_NOT_FOUND ? rc : withdrawn;
}

static enum device_type own_type(enum host_device type)
{
    return type == HOST_DISK ? DEVICE_OWN_DISK : DEVICE_OWN_NIC;
}

int host_number(struct host *h, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned *number,
                struct vane_error *error)
{
    int rc;

    if (type == HOST_DISK)
        return device_disk_number(((const struct disk *)d->disks.items)[index].target, number, error);
    rc = store(h, error);
    return rc ? rc : device_free_nic(h->xs, id, number, error);
}

int host_attach(struct host *h, unsigned id, const struct definition *d, enum host_device type, unsigned index, unsigned number,
                struct vane_error *error)
{
    struct device_nic nic = { .index = number, .is_own = true };
    int rc = store(h, error);

    if (rc || type == HOST_DISK)
        return rc ? rc : add_disk(h, id, (const struct disk *)d->disks.items + index, error);
    nic_address(d, index, nic.mac);
    nic.bridge = ((const struct nic *)d->nics.items)[index].bridge;
    return device_add_nic(h->xs, id, &nic, error);
}

int host_close_device(struct host *h, unsigned id, enum host_device type, unsigned number, bool *gone, struct vane_error *error)
{
    int rc = store(h, error);

    return rc ? rc : device_close(h->xs, id, own_type(type), number, gone, error);
}

int host_detach(struct host *h, unsigned id, enum host_device type, unsigned number, struct vane_error *error)
{
    int rc = store(h, error);
    bool gone;

    return rc ? rc : device_remove(h->xs, id, own_type(type), number, true, &gone, error);
}

int host_pause(struct host *h, unsigned id, bool pause, struct vane_error *error)
{
    return pause ? hv_domain_pause(&h->hv, id, error) : hv_domain_unpause(&h->hv, id, error);
}

int host_ask(struct host *h, unsigned id, const char *what, struct vane_error *error)
{
    int rc = store(h, error);

    return rc ? rc : domain_request(h->xs, id, what, error);
}

int host_rename(struct host *h, unsigned id, const char *name, struct vane_error *error)
{
    int rc = store(h, error);

    return rc ? rc : domain_rename(h->xs, id, name, error);
}

int host_set_memory(struct host *h, unsigned id, uint64_t kib, struct vane_error *error)
{
    int rc = store(h, error);

    return rc ? rc : domain_set_target(h->xs, id, kib / KIB_PER_PAGE, error);
}

int host_set_vcpus(struct host *h, unsigned id, unsigned online, unsigned max, struct vane_error *error)
{
    int rc = store(h, error);

    for (unsigned i = 0; i < max && rc == 0; i++)
        rc = domain_set_vcpu(h->xs, id, i, i < online, error);
    return rc;
}

int host_set_share(struct host *h, unsigned id, unsigned weight, unsigned cap, struct vane_error *error)
{
    return hv_domain_set_credit(&h->hv, id, weight, cap, error);
}

int host_pin(struct host *h, unsigned id, unsigned vcpu, const char *cpus, struct vane_error *error)
{
    struct hv_cpu_set set = { { 0 } };

    if (!cpus_parse(cpus, set.bits, HV_MAX_CPUS))
        return vane_fail(error, VANE_INVALID, "\"%.60s\" is no list of CPUs: write it as 0-3,^2", cpus);
    return hv_vcpu_set_affinity(&h->hv, id, vcpu, &set, NULL, error);
}

int host_consoles_fd(const struct host *h)
{
    return h->xen.evtchn;
}

static struct console_end *console_of(struct host *h, unsigned id)
{
    for (unsigned i = 0; i < h->nr_consoles; i++)
        if (h->consoles[i].domid == id)
            return &h->consoles[i];
    return NULL;
}

unsigned host_consoles_taken(struct host *h, unsigned *ids, unsigned max)
{
    uint32_t ports[HOST_MAX_DOMAINS];
    size_t pending = xen_pending(&h->xen, ports, max < HOST_MAX_DOMAINS ? max : HOST_MAX_DOMAINS);
    unsigned count = 0;

    for (size_t i = 0; i < pending; i++) {
        (void)xen_unmask(&h->xen, ports[i]);
        for (unsigned c = 0; c < h->nr_consoles; c++)
            if (h->consoles[c].port == ports[i])
                ids[count++] = h->consoles[c].domid;
    }
    return count;
}

int host_console_open(struct host *h, unsigned id, struct vane_error *error)
{
    int tries = STORE_TRIES, rc;
    char path[64], *port;

    if (h->nr_consoles == HOST_MAX_DOMAINS)
        return vane_fail(error, VANE_NO_RESOURCE, "%u consoles are listened to: end a guest", HOST_MAX_DOMAINS);
    snprintf(path, sizeof(path), "/local/domain/%u/console/port", id);
    do
        rc = xs_get(h->xs, XS_NO_TX, path, &port, NULL);
    while (rc && store_is_back(h) && --tries);
    if (rc)
        return vane_fail_errno(error, rc, "reading %s in the store", path);
    rc = console_open(&h->consoles[h->nr_consoles], &h->xen, id, (uint32_t)strtoul(port, NULL, 10), error);
    free(port);
    h->nr_consoles += rc == 0;
    return rc;
}

void host_console_close(struct host *h, unsigned id)
{
    struct console_end *console = console_of(h, id);

    if (!console)
        return;
    console_close(console, &h->xen);
    *console = h->consoles[--h->nr_consoles];
}

static int no_console(unsigned id, struct vane_error *error)
{
    return vane_fail(error, VANE_NOT_FOUND, "the console of domain %u is not open", id);
}

int host_console_read(struct host *h, unsigned id, char *text, size_t size, size_t *length, struct vane_error *error)
{
    struct console_end *console = console_of(h, id);

    return console ? console_read(console, &h->xen, text, size, length, error) : no_console(id, error);
}

int host_console_write(struct host *h, unsigned id, const char *text, size_t size, size_t *length, struct vane_error *error)
{
    struct console_end *console = console_of(h, id);

    return console ? console_write(console, &h->xen, text, size, length, error) : no_console(id, error);
}
