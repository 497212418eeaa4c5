// SPDX-License-Identifier: MIT
// Libvane at work in dom0, one program for the system tests.
//
//   vane-build create NAME MIB VCPUS KERNEL INITRAMFS COMMAND-LINE [count=N] [disk=TARGET,FILE]... [nic=BRIDGE]... [console=vane]
//                                     makes and starts guests; prints "domid N ms TOTAL" and the milliseconds of each
//                                     phase. N of them, named NAME-1...; the kernel is unpacked for the first
//   vane-build console DOMID WORDS LINE  looks after the console of a guest made with the option console=vane: writes
//                                     WORDS once the guest has said something, and ends when it has said LINE
//   vane-build detach DOMID TARGET    a disk, while the guest runs
//   vane-build request DOMID poweroff|reboot|suspend     asks the guest
//   vane-build resume DOMID           after a suspend
//   vane-build wait DOMID SECONDS     until it has shut down: prints why
//   vane-build destroy DOMID          ends it, if it runs, and takes it out of the store
//   vane-build calls DOMID            what else the hypervisor can be asked of a running guest of two vCPUs, each once
//   vane-build info | free | list | ports    the host: free pages, domains, event channel ports of dom0 that are in use
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/lib/console.h"
#include "dom0-tools/lib/device.h"
#include "dom0-tools/lib/domain.h"
#include "dom0-tools/lib/xen_linux.h"
#include "public/event_channel.h"
#include "public/xen.h"

static struct hv hv;
static struct xs *xs;
static struct vane_error error;

static int complain(void)
{
    fprintf(stderr, "vane-build: %s (%s)\n", error.text, vane_kind_name(error.kind));
    return 1;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int open_store(void)
{
    if (!xs_connect(&xs, NULL))
        return 0;
    vane_fail(&error, VANE_SYSTEM, "the store does not answer");
    return 1;
}

static int add_disk(unsigned domid, const char *option)
{
    char target[16] = "", path[256] = "", device[32];
    struct device_disk disk = { .target = target, .path = device };
    int fd;

    if (sscanf(option, "%15[^,],%255s", target, path) != 2)
        return vane_fail(&error, VANE_INVALID, "disk=%s is not disk=TARGET,FILE", option);
    if (device_loop(path, false, &fd, device, &error))      // open until this program ends: then the backend has it
        return -1;
    return device_add_disk(xs, domid, &disk, &error);
}

static int add_nic(unsigned domid, unsigned index, const char *bridge)
{
    struct device_nic nic = { .index = index, .mac = { 0, 0x16, 0x3e, 0, (uint8_t)domid, (uint8_t)index }, .bridge = bridge };
    bool ready = false;
    int rc = device_add_nic(xs, domid, &nic, &error);

    for (unsigned tries = 0; !rc && !ready && tries < 300; tries++) {
        rc = device_plug_nic(xs, domid, &nic, &ready, &error);
        if (!ready)
            usleep(100000);
    }
    return rc || ready ? rc : vane_fail(&error, VANE_TIMEOUT, "NIC %u: no interface after 30 s", index);
}

static int add_devices(unsigned domid, char **options)
{
    unsigned nics = 0;
    int rc = 0;

    for (; *options && !rc; options++) {
        if (!strncmp(*options, "disk=", 5))
            rc = add_disk(domid, *options + 5);
        else if (!strncmp(*options, "nic=", 4))
            rc = add_nic(domid, nics++, *options + 4);
    }
    return rc;
}

static int detach(unsigned domid, const char *target)
{
    unsigned number;
    bool gone = false;

    if (open_store() || device_disk_number(target, &number, &error))
        return complain();
    for (unsigned tries = 0; !gone && tries < 100; tries++, usleep(100000))
        if (device_remove(xs, domid, DEVICE_DISK, number, false, &gone, &error))
            return complain();
    return !gone;
}

static int start_one(char **argv, const struct image *image, const char *name, unsigned seed)
{
    uint64_t pages = strtoul(argv[3], NULL, 10) << 8;
    unsigned vcpus = (unsigned)strtoul(argv[4], NULL, 10);
    struct build_config build = {
        .domain = { .handle = { 0x76, 0x61, 0x6e, 0x65, [15] = (uint8_t)seed }, .nr_vcpus = vcpus, .max_grant_frames = -1,
                    .max_maptrack_frames = -1 },
        .pages = pages, .max_pages = pages, .kernel = image, .initramfs = argv[6], .command_line = argv[7],
    };
    struct domain_config domain = {
        .name = name, .target_pages = pages, .max_pages = pages, .nr_vcpus = vcpus, .nr_online = vcpus,
    };
    struct built built = { 0 };
    struct vane_error ignored;
    double before = now_ms(), made, published;

    for (char **option = argv + 8; *option; option++)
        if (!strncmp(*option, "console=", 8))
            domain.console_type = *option + 8;
    memcpy(domain.uuid, build.domain.handle, sizeof(domain.uuid));
    if (build_domain(&hv, &build, &built, &error))
        return complain();
    made = now_ms();
    if (domain_publish(xs, &domain, &built, &error) || add_devices(built.domid, argv + 8)) {
        (void)hv_domain_destroy(&hv, built.domid, &ignored);
        (void)device_remove_all(xs, built.domid, &ignored);
        (void)domain_withdraw(xs, built.domid, domain.uuid, &ignored);
        return complain();
    }
    published = now_ms();
    if (hv_domain_unpause(&hv, built.domid, &error))
        return complain();
    printf("domid %u ms %.1f create %.1f memory %.1f kernel %.1f initramfs %.1f start %.1f store %.1f "
           "unpause %.1f\n", built.domid, now_ms() - before, (double)built.phase_ns[BUILD_CREATE] / 1e6, (double)built.phase_ns[BUILD_MEMORY] / 1e6,
           (double)built.phase_ns[BUILD_KERNEL] / 1e6, (double)built.phase_ns[BUILD_INITRAMFS] / 1e6,
           (double)built.phase_ns[BUILD_START] / 1e6, published - made, now_ms() - published);
    return 0;
}

static int create(int argc, char **argv)
{
    unsigned count = argc > 8 && !strncmp(argv[8], "count=", 6) ? (unsigned)strtoul(argv[8] + 6, NULL, 10) : 1;
    struct image_cache *cache;
    const struct image *image;
    char name[64];
    int rc = image_cache_new(&cache, &error) || open_store() ? complain() : 0;

    for (unsigned i = 1; i <= count && !rc; i++) {
        double before = now_ms();

        if (image_cache_get(cache, argv[5], &image, &error))
            return complain();
        printf("image %zu bytes ms %.1f\n", image->size, now_ms() - before);
        snprintf(name, sizeof(name), count > 1 ? "%s-%u" : "%s", argv[2], i);
        rc = start_one(argv, image, name, i);
        fflush(stdout);
    }
    image_cache_free(cache);
    return rc;
}

static int wait_for(unsigned domid, double seconds)
{
    static const char *const reasons[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset" };
    double end = now_ms() + seconds * 1e3;
    struct hv_domain domain;

    do {
        if (hv_domain_info(&hv, domid, &domain, &error))
            return complain();
        if (domain.shut_down)
            return printf("%s\n", domain.reason <= HV_SOFT_RESET ? reasons[domain.reason] : "?") < 0;
        usleep(100000);
    } while (now_ms() < end);
    vane_fail(&error, VANE_TIMEOUT, "domain %u still runs", domid);
    return complain();
}

static int destroy(unsigned domid)
{
    struct hv_domain domain;

    if (open_store() || hv_domain_info(&hv, domid, &domain, &error) || hv_domain_destroy(&hv, domid, &error) ||
        device_remove_all(xs, domid, &error) || domain_withdraw(xs, domid, domain.handle, &error))
        return complain();
    return 0;
}

static int request(unsigned domid, const char *what)
{
    return open_store() || domain_request(xs, domid, what, &error) ? complain() : 0;
}

static int resume(unsigned domid)
{
    int rc = open_store() || hv_domain_resume(&hv, domid, &error) ? complain() : 0;

    return rc ? rc : xs_resume(xs, domid) ? 1 : 0;
}

// What was set is read back; "ok", or what is wrong.
static int wrong(const char *what)
{
    printf("wrong: %s\n", what);
    return 1;
}

static int calls_of_vcpus(unsigned domid)
{
    static struct hv_cpu_set one, hard, soft;
    static struct vcpu_guest_context context;
    struct hv_vcpu vcpu;
    unsigned weight, cap;

    one.bits[0] = 1;
    if (hv_vcpu_set_affinity(&hv, domid, 1, &one, NULL, &error) ||
        hv_vcpu_get_affinity(&hv, domid, 1, &hard, &soft, &error) ||
        hv_domain_set_credit(&hv, domid, 512, 50, &error) || hv_domain_get_credit(&hv, domid, &weight, &cap, &error) ||
        hv_vcpu_info(&hv, domid, 1, &vcpu, &error) || hv_domain_pause(&hv, domid, &error) ||
        hv_vcpu_get_context(&hv, domid, 0, &context, &error) || hv_domain_unpause(&hv, domid, &error))
        return complain();
    if (memcmp(&hard, &one, sizeof(one)) || (soft.bits[0] & 1) == 0)
        return wrong("CPUs of a vCPU");
    if (weight != 512 || cap != 50)
        return wrong("weight and cap");
    if (!vcpu.online || !vcpu.cpu_time_ns)
        return wrong("a vCPU that has run");
    if (!context.ctrlreg[3] || !context.event_callback_eip)
        return wrong("a vCPU's state");
    return hv_vcpu_info(&hv, domid, 5, &vcpu, &error) ? 0 : wrong("a vCPU that is not there");
}

static int calls_of_host(void)
{
    struct hv_cpu cpus[8];
    char text[16384];
    uint32_t index = 0;
    size_t length;
    unsigned count;

    if (hv_cpus(&hv, cpus, 8, &count, &error) || hv_debug_keys(&hv, "h", &error) ||
        hv_console_read(&hv, text, sizeof(text), &index, &length, &error))
        return complain();
    if (!count || !length || !memchr(text, '\n', length))
        return wrong("CPUs, or the hypervisor's console");
    if (hv_console_read(&hv, text, sizeof(text), &index, &length, &error))
        return complain();
    return length < sizeof(text) ? 0 : wrong("the console does not end");
}

static int calls(unsigned domid)
{
    static const uint8_t uuid[HV_HANDLE_SIZE] = { 1, 2, 3 };
    struct hv_domain domain;
    uint8_t before[HV_HANDLE_SIZE];
    int rc = calls_of_vcpus(domid);

    rc = rc ? rc : calls_of_host();
    if (rc)
        return rc;
    if (hv_domain_info(&hv, domid, &domain, &error))
        return complain();
    memcpy(before, domain.handle, sizeof(before));
    if (hv_domain_set_handle(&hv, domid, uuid, &error) || hv_domain_set_time_offset(&hv, domid, 3600, &error) ||
        hv_domain_set_max_pages(&hv, domid, domain.max_pages + 256, &error) ||
        hv_domain_set_map_limit(&hv, domid, domain.max_pages + 256, &error) || hv_domain_info(&hv, domid, &domain, &error) ||
        hv_domain_set_handle(&hv, domid, before, &error))
        return complain();
    return memcmp(domain.handle, uuid, sizeof(uuid)) || domain.nr_vcpus != 2 ? wrong("UUID or vCPUs") : puts("ok") < 0;
}

static int console(unsigned domid, const char *words, const char *line)
{
    static char said[1 << 16];
    char path[64], *port;
    struct console_end console;
    struct xen_devices xen;
    const char *device;
    size_t length, total = 0, given;

    snprintf(path, sizeof(path), "/local/domain/%u/console/port", domid);
    if (open_store() || xs_get(xs, XS_NO_TX, path, &port, NULL) || xen_open_ports(&xen, "/dev/xen", &device) ||
        console_open(&console, &xen, domid, (uint32_t)strtoul(port, NULL, 10), &error))
        return complain();
    for (unsigned tries = 0; tries < 1200 && !strstr(said, line); tries++) {
        uint32_t ports[8];
        size_t pending;

        if (console_read(&console, &xen, said + total, sizeof(said) - 1 - total, &length, &error))
            return complain();
        if (!total && length &&
            (console_write(&console, &xen, words, strlen(words), &given, &error) || given != strlen(words)))
            return complain();
        total += length;
        pending = xen_pending(&xen, ports, 8);
        for (size_t i = 0; i < pending; i++)
            (void)xen_unmask(&xen, ports[i]);
        if (!pending)
            usleep(50000);
    }
    console_close(&console, &xen);
    fputs(said, stdout);
    return !strstr(said, line);
}

static int info(const char *what)
{
    struct hv_domain domains[64];
    struct hv_version version;
    struct hv_host host;
    unsigned count;

    if (hv_host(&hv, &host, &error) || hv_version(&hv, &version, &error) || hv_domain_list(&hv, 0, domains, 64, &count, &error))
        return complain();
    if (!strcmp(what, "free"))
        return printf("%lu\n", host.free_pages) < 0;
    if (!strcmp(what, "info"))
        printf("%u.%u%s %s, %u CPUs, %lu of %lu MiB free\n", version.major, version.minor, version.extra,
               version.capabilities, host.nr_cpus, host.free_pages >> 8, host.total_pages >> 8);
    for (unsigned i = 0; i < count && !strcmp(what, "list"); i++)
        printf("%u %lu MiB %u vCPUs %lu ms%s\n", domains[i].domid, domains[i].pages >> 8, domains[i].nr_vcpus,
               domains[i].cpu_time_ns / 1000000, domains[i].dying ? " dying" : "");
    return 0;
}

// Until there can be none of this number.
static int ports(void)
{
    struct evtchn_status *status = (void *)hv.buffer;
    uint64_t args[5] = { EVTCHNOP_status, (uintptr_t)status };
    unsigned used = 0;

    for (uint32_t port = 0;; port++) {
        *status = (struct evtchn_status){ .dom = DOMID_SELF, .port = port };
        if (xen_hypercall(hv.privcmd, __HYPERVISOR_event_channel_op, args))
            break;
        used += status->status != EVTCHNSTAT_closed;
    }
    return printf("%u\n", used) < 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    unsigned domid = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    if (hv_open(&hv, NULL, &error))
        return complain();
    if (!strcmp(what, "create") && argc > 7)
        return create(argc, argv);
    if (!strcmp(what, "request") && argc > 3)
        return request(domid, argv[3]);
    if (!strcmp(what, "wait") && argc > 3)
        return wait_for(domid, strtod(argv[3], NULL));
    if (!strcmp(what, "console") && argc > 4)
        return console(domid, argv[3], argv[4]);
    if (!strcmp(what, "calls") && argc > 2)
        return calls(domid);
    if (!strcmp(what, "resume") && argc > 2)
        return resume(domid);
    if (!strcmp(what, "detach") && argc > 3)
        return detach(domid, argv[3]);
    if (!strcmp(what, "destroy") && argc > 2)
        return destroy(domid);
    return strcmp(what, "ports") ? info(what) : ports();
}
