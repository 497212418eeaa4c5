// SPDX-License-Identifier: MIT
// /metrics in OpenMetrics, from a table of families.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vaned.h"

struct figures {
    const struct vaned *v;
    const struct host_facts *facts;
};

static double host_cpus(const struct figures *f, const struct domain *d) { (void)d; return f->facts->nr_cpus; }
static double host_total(const struct figures *f, const struct domain *d) { (void)d; return (double)f->facts->total_kib * 1024; }
static double host_free(const struct figures *f, const struct domain *d) { (void)d; return (double)f->facts->free_kib * 1024; }
static double requests(const struct figures *f, const struct domain *d) { (void)d; return (double)f->v->nr_requests; }
static double refused(const struct figures *f, const struct domain *d) { (void)d; return (double)f->v->nr_refused; }
static double up(const struct figures *f, const struct domain *d) { (void)f; return d->phase == PHASE_RUNNING; }
static double memory(const struct figures *f, const struct domain *d) { (void)f; return (double)d->seen.memory_kib * 1024; }
static double cpu(const struct figures *f, const struct domain *d) { (void)f; return (double)d->seen.cpu_time_ns / 1e9; }
static double vcpus(const struct figures *f, const struct domain *d) { (void)f; return d->seen.nr_vcpus; }

static const struct family {
    const char *name, *type, *unit, *help;
    bool per_domain;
    double (*value)(const struct figures *f, const struct domain *d);
} families[] = {
    { "paravane_host_cpus", "gauge", "", "CPUs of the host", false, host_cpus },
    { "paravane_host_memory_bytes", "gauge", "bytes", "memory of the host", false, host_total },
    { "paravane_host_memory_free_bytes", "gauge", "bytes", "memory that no domain has", false, host_free },
    { "paravane_vaned_requests", "counter", "", "requests that vaned answered", false, requests },
    { "paravane_vaned_requests_refused", "counter", "", "those with an error", false, refused },
    { "paravane_domain_up", "gauge", "", "whether the domain runs", true, up },
    { "paravane_domain_memory_bytes", "gauge", "bytes", "memory that the domain has", true, memory },
    { "paravane_domain_cpu_seconds", "counter", "seconds", "CPU time that the domain has used", true, cpu },
    { "paravane_domain_vcpus", "gauge", "", "vCPUs that are online", true, vcpus },
};

static void write_vcpus(FILE *out, struct vaned *v)
{
    fputs("# TYPE paravane_vcpu_cpu_seconds counter\n# UNIT paravane_vcpu_cpu_seconds seconds\n"
          "# HELP paravane_vcpu_cpu_seconds CPU time that the vCPU has used\n", out);
    for (const struct domain *d = v->domains; d; d = d->next) {
        struct vane_error error;
        struct host_vcpu vcpu;

        for (unsigned i = 0; d->phase == PHASE_RUNNING && i < d->def.max_vcpus; i++)
            if (host_vcpu(v->host, d->id, i, &vcpu, &error) == 0)
                fprintf(out, "paravane_vcpu_cpu_seconds_total{domain=\"%s\",vcpu=\"%u\"} %.9f\n", d->def.name, i,
                        (double)vcpu.cpu_time_ns / 1e9);
    }
}

char *metrics_text(struct vaned *v)
{
    struct host_facts facts = { 0 };
    struct vane_error error;
    const struct figures f = { v, &facts };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    (void)host_facts(v->host, &facts, &error);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *m = &families[i];
        const char *end = m->type[0] == 'c' ? "_total" : "";

        fprintf(out, "# TYPE %s %s\n", m->name, m->type);
        if (m->unit[0])
            fprintf(out, "# UNIT %s %s\n", m->name, m->unit);
        fprintf(out, "# HELP %s %s\n", m->name, m->help);
        if (!m->per_domain)
            fprintf(out, "%s%s %.0f\n", m->name, end, m->value(&f, NULL));
        for (const struct domain *d = m->per_domain ? v->domains : NULL; d; d = d->next)
            fprintf(out, "%s%s{domain=\"%s\",uuid=\"%s\"} %.9g\n", m->name, end, d->def.name, d->def.uuid, m->value(&f, d));
    }
    write_vcpus(out, v);
    fputs("# EOF\n", out);
    fclose(out);
    return text;
}
