// SPDX-License-Identifier: MIT
/*
 * What xl does not tell or do, by Debian's libraries, in dom0.
 *
 * domstat              free memory to the page, CPU times to the nanosecond, in lines
 *                          free PAGES                        idle CPU NANOSECONDS
 *                          dom ID NANOSECONDS PAGES VCPUS    vcpu ID VCPU NANOSECONDS CPU
 * domstat hold ID MFN  keeps a page of a domain mapped until it is killed
 * domstat take ID      creates a domain of this id and destroys it
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#define MAX_DOMAINS  128
#define MAX_CPUS     64

static void print_machine(xc_interface *xc)
{
    xc_physinfo_t info = {0};
    xc_cpuinfo_t cpus[MAX_CPUS];
    int nr = 0;

    if (!xc_physinfo(xc, &info))
        printf("free %" PRIu64 "\n", (uint64_t)info.free_pages);
    if (!xc_getcpuinfo(xc, MAX_CPUS, cpus, &nr))
        for (int i = 0; i < nr; i++)
            printf("idle %d %" PRIu64 "\n", i, (uint64_t)cpus[i].idletime);
}

static void print_domain(xc_interface *xc, const xc_dominfo_t *d)
{
    xc_vcpuinfo_t v;

    printf("dom %u %" PRIu64 " %lu %u\n", d->domid, d->cpu_time, d->nr_pages, d->nr_online_vcpus);
    for (uint32_t i = 0; i <= d->max_vcpu_id; i++)
        if (!xc_vcpu_getinfo(xc, d->domid, i, &v))
            printf("vcpu %u %" PRIu32 " %" PRIu64 " %" PRIu32 "\n", d->domid, i, (uint64_t)v.cpu_time, v.cpu);
}

static int print_all(xc_interface *xc)
{
    static xc_dominfo_t domains[MAX_DOMAINS];
    int nr = xc_domain_getinfo(xc, 0, MAX_DOMAINS, domains);

    print_machine(xc);
    for (int i = 0; i < nr; i++)
        print_domain(xc, &domains[i]);
    return nr < 0;
}

static int hold(uint32_t id, xen_pfn_t mfn)
{
    xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
    int error = 0;

    if (!memory || !xenforeignmemory_map(memory, id, PROT_READ, 1, &mfn, &error) || error)
        return 1;
    puts("mapped");
    fflush(stdout);
    for (;;)
        pause();
}

static int take(xc_interface *xc, uint32_t id)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
        .arch.emulation_flags = 0,
    };

    if (xc_domain_create(xc, &id, &config)) {
        perror("taken");
        return 1;
    }
    return xc_domain_destroy(xc, id) ? 2 : 0;
}

int main(int argc, char **argv)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);

    if (!xc)
        return 1;
    if (argc == 4 && !strcmp(argv[1], "hold"))
        return hold((uint32_t)atoi(argv[2]), strtoul(argv[3], NULL, 10));
    if (argc == 3 && !strcmp(argv[1], "take"))
        return take(xc, (uint32_t)atoi(argv[2]));
    return print_all(xc);
}
