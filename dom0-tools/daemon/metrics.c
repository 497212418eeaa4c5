// SPDX-License-Identifier: MIT
// /metrics in OpenMetrics, from a table of families: what each counts, and where in struct figures its number is.
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaned.h"

enum { STORE_TEXT = 4096 };

// Of whatever a line is about.
struct figures {
    uint64_t cpus, total_bytes, free_bytes, requests, refused, store_up;
    uint64_t up, memory_bytes, cpu_ns, vcpus, starting;
    uint64_t phase_ns, vcpu_ns;
    struct disk_figures disk;
    struct nic_figures nic;
};

enum scope { HOST, DOMAIN, PHASE, VCPU, DISK, NIC };

#define AT(member) offsetof(struct figures, member)

// Figures of families whose unit is seconds are nanoseconds.
static const struct family {
    const char *name, *type, *unit, *help;
    enum scope scope;
    size_t at;
} families[] = {
    { "paravane_host_cpus", "gauge", "", "CPUs of the host", HOST, AT(cpus) },
    { "paravane_host_memory_bytes", "gauge", "bytes", "memory of the host", HOST, AT(total_bytes) },
    { "paravane_host_memory_free_bytes", "gauge", "bytes", "memory that no domain has or was promised", HOST, AT(free_bytes) },
    { "paravane_vaned_requests", "counter", "", "requests that vaned answered", HOST, AT(requests) },
    { "paravane_vaned_requests_refused", "counter", "", "those with an error", HOST, AT(refused) },
    { "paravane_store_up", "gauge", "", "whether the store answers", HOST, AT(store_up) },
    { "paravane_domain_up", "gauge", "", "whether the domain runs", DOMAIN, AT(up) },
    { "paravane_domain_starting", "gauge", "", "whether it is being built", DOMAIN, AT(starting) },
    { "paravane_domain_memory_bytes", "gauge", "bytes", "memory that the domain has", DOMAIN, AT(memory_bytes) },
    { "paravane_domain_cpu_seconds", "counter", "seconds", "CPU time that the domain has used", DOMAIN, AT(cpu_ns) },
    { "paravane_domain_vcpus", "gauge", "", "vCPUs that are online", DOMAIN, AT(vcpus) },
    { "paravane_domain_build_seconds", "gauge", "seconds", "how long a part of its building took", PHASE, AT(phase_ns) },
    { "paravane_vcpu_cpu_seconds", "counter", "seconds", "CPU time that the vCPU has used", VCPU, AT(vcpu_ns) },
    { "paravane_disk_reads", "counter", "", "reads of the disk", DISK, AT(disk.reads) },
    { "paravane_disk_writes", "counter", "", "writes to the disk", DISK, AT(disk.writes) },
    { "paravane_disk_flushes", "counter", "", "flushes of the disk", DISK, AT(disk.flushes) },
    { "paravane_disk_discards", "counter", "", "discards on the disk", DISK, AT(disk.discards) },
    { "paravane_disk_read_bytes", "counter", "bytes", "bytes read", DISK, AT(disk.read_bytes) },
    { "paravane_disk_written_bytes", "counter", "bytes", "bytes written", DISK, AT(disk.written_bytes) },
    { "paravane_disk_errors", "counter", "", "requests that the image failed", DISK, AT(disk.errors) },
    { "paravane_disk_invalid", "counter", "", "requests that made no sense", DISK, AT(disk.invalid) },
    { "paravane_disk_limited", "counter", "", "requests that waited for the disk's limit", DISK, AT(disk.limited) },
    { "paravane_nic_received_bytes", "counter", "bytes", "bytes that the guest received", NIC, AT(nic.received_bytes) },
    { "paravane_nic_sent_bytes", "counter", "bytes", "bytes that the guest sent", NIC, AT(nic.sent_bytes) },
    { "paravane_nic_received_packets", "counter", "", "packets that the guest received", NIC, AT(nic.received_packets) },
    { "paravane_nic_sent_packets", "counter", "", "packets that the guest sent", NIC, AT(nic.sent_packets) },
    { "paravane_nic_received_drops", "counter", "", "packets that did not reach the guest", NIC, AT(nic.received_drops) },
    { "paravane_nic_sent_drops", "counter", "", "packets of the guest that were dropped", NIC, AT(nic.sent_drops) },
    { "paravane_nic_filtered", "counter", "", "those of them that the guest may not send", NIC, AT(nic.filtered) },
    { "paravane_nic_invalid", "counter", "", "those of them that made no sense", NIC, AT(nic.invalid) },
    { "paravane_nic_limited", "counter", "", "packets of the guest that waited for the NIC's limit", NIC, AT(nic.limited) },
};

// What vane-stored says of itself, by its words for it.
static const struct { const char *key, *name, *type, *unit, *help; } store_families[] = {
    { "nodes", "paravane_store_nodes", "gauge", "", "nodes of the store" },
    { "watches", "paravane_store_watches", "gauge", "", "watches that are set" },
    { "rings", "paravane_store_rings", "gauge", "", "domains that are connected" },
    { "sockets", "paravane_store_sockets", "gauge", "", "programs that are connected" },
    { "journal-bytes", "paravane_store_journal_bytes", "gauge", "bytes", "what a store that is started anew reads" },
    { "requests", "paravane_store_requests", "counter", "", "requests" },
    { "events", "paravane_store_events", "counter", "", "events of watches" },
    { "events-merged", "paravane_store_events_merged", "counter", "", "events that became one with others not yet fetched" },
    { "commits", "paravane_store_commits", "counter", "", "transactions that took effect" },
    { "conflicts", "paravane_store_conflicts", "counter", "", "transactions that have to be done again" },
};
enum { NR_STORE_FAMILIES = sizeof(store_families) / sizeof(store_families[0]) };

static void begin(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
    fprintf(out, "# TYPE %s %s\n", name, type);
    if (unit[0])
        fprintf(out, "# UNIT %s %s\n", name, unit);
    fprintf(out, "# HELP %s %s\n", name, help);
}

static void label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (; *value; value++)
        fprintf(out, *value == '"' || *value == '\\' ? "\\%c" : *value == '\n' ? "\\n" : "%c", *value);
    fputc('"', out);
}

// `second`: a further label with its value, or NULL.
static void sample(FILE *out, const struct family *m, const struct figures *f, const struct domain *d, const char *second,
                   const char *value)
{
    uint64_t figure = *(const uint64_t *)((const char *)f + m->at);

    fprintf(out, "%s%s", m->name, m->type[0] == 'c' ? "_total" : "");
    if (d) {
        fputc('{', out);
        label(out, "domain", d->def.name);
        fputc(',', out);
        label(out, second ? second : "uuid", second ? value : d->def.uuid);
        fputc('}', out);
    }
    if (strcmp(m->unit, "seconds") == 0)
        fprintf(out, " %" PRIu64 ".%09" PRIu64 "\n", figure / 1000000000, figure % 1000000000);
    else
        fprintf(out, " %" PRIu64 "\n", figure);
}

static void write_domain(FILE *out, const struct family *m, const struct domain *d)
{
    const struct figures f = {
        .up = d->phase == PHASE_RUNNING, .starting = d->phase == PHASE_STARTING, .memory_bytes = d->seen.memory_kib * 1024,
        .cpu_ns = d->seen.cpu_time_ns, .vcpus = d->seen.nr_vcpus,
    };

    sample(out, m, &f, d, NULL, NULL);
}

static void write_phases(FILE *out, const struct family *m, const struct domain *d)
{
    struct figures f = { 0 };

    for (unsigned i = 0; d->phase == PHASE_RUNNING && i < HOST_NR_PHASES; i++) {
        f.phase_ns = d->phase_ns[i];
        sample(out, m, &f, d, "phase", host_phase_names[i]);
    }
}

static void write_vcpus(FILE *out, const struct family *m, const struct vaned *v, const struct domain *d)
{
    struct figures f = { 0 };
    struct vane_error ignored;
    struct host_vcpu vcpu;
    char number[12];

    for (unsigned i = 0; d->phase == PHASE_RUNNING && i < d->def.max_vcpus; i++) {
        if (host_vcpu(v->host, d->id, i, &vcpu, &ignored))
            continue;
        f.vcpu_ns = vcpu.cpu_time_ns;
        snprintf(number, sizeof(number), "%u", i);
        sample(out, m, &f, d, "vcpu", number);
    }
}

static void write_disks(FILE *out, const struct family *m, const struct vaned *v, const struct domain *d)
{
    const struct disk *disks = d->def.disks.items;
    struct figures f = { 0 };

    for (size_t i = 0; d->phase == PHASE_RUNNING && i < d->def.disks.count; i++)
        if (disk_counted(v, d, &disks[i], &f.disk))
            sample(out, m, &f, d, "disk", disks[i].target);
}

static void write_nics(FILE *out, const struct family *m, const struct vaned *v, const struct domain *d)
{
    struct figures f = { 0 };
    char number[12];

    for (unsigned i = 0; d->phase == PHASE_RUNNING && i < d->def.nics.count; i++) {
        if (!nic_counted(v, d, i, &f.nic))
            continue;
        snprintf(number, sizeof(number), "%u", i);
        sample(out, m, &f, d, "nic", number);
    }
}

static void write_family(FILE *out, const struct family *m, const struct vaned *v, const struct figures *host)
{
    begin(out, m->name, m->type, m->unit, m->help);
    if (m->scope == HOST)
        sample(out, m, host, NULL, NULL, NULL);
    for (const struct domain *d = m->scope == HOST ? NULL : v->domains; d; d = d->next) {
        switch (m->scope) {
        case PHASE: write_phases(out, m, d); break;
        case VCPU: write_vcpus(out, m, v, d); break;
        case DISK: write_disks(out, m, v, d); break;
        case NIC: write_nics(out, m, v, d); break;
        default: write_domain(out, m, d);
        }
    }
}

// In lines of a word and a number.
static bool store_figure(const char *text, const char *key, uint64_t *figure)
{
    size_t length = strlen(key);

    while (strncmp(text, key, length) != 0 || sscanf(text + length, " %" SCNu64, figure) != 1) {
        text += strcspn(text, "\n");
        if (!*text)
            return false;
        text++;
    }
    return true;
}

static void write_store(FILE *out, const char *text)
{
    static const char refused[] = "refused-";
    uint64_t figure;
    bool begun = false;

    for (unsigned i = 0; i < NR_STORE_FAMILIES; i++) {
        if (!store_figure(text, store_families[i].key, &figure))
            continue;
        begin(out, store_families[i].name, store_families[i].type, store_families[i].unit, store_families[i].help);
        fprintf(out, "%s%s %" PRIu64 "\n", store_families[i].name, store_families[i].type[0] == 'c' ? "_total" : "", figure);
    }
    for (const char *at = text; (at = strstr(at, refused)); at += sizeof(refused) - 1) {
        char quota[40];

        if (sscanf(at + sizeof(refused) - 1, "%39[a-z-] %" SCNu64, quota, &figure) != 2)
            continue;
        if (!begun)
            begin(out, "paravane_store_refused", "counter", "", "requests refused for a quota");
        begun = true;
        fprintf(out, "paravane_store_refused_total{quota=\"%s\"} %" PRIu64 "\n", quota, figure);
    }
}

char *metrics_text(struct vaned *v)
{
    struct host_facts facts = { 0 };
    struct figures host = { .requests = v->nr_requests, .refused = v->nr_refused };
    char *text = NULL, store[STORE_TEXT] = "";
    struct vane_error ignored;
    bool is_up = false;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    (void)host_facts(v->host, &facts, &ignored);
    host_store_figures(v->host, store, sizeof(store), &is_up);
    host.cpus = facts.nr_cpus;
    host.total_bytes = facts.total_kib * 1024;
    host.free_bytes = facts.free_kib * 1024;
    host.store_up = is_up;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        write_family(out, &families[i], v, &host);
    write_store(out, store);
    fputs("# EOF\n", out);
    fclose(out);
    return text;
}
