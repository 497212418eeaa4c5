// SPDX-License-Identifier: MIT
// Whether there is memory for a domain, before anything is made of it. What is being built has claimed its memory from the
// hypervisor (build.c); who waits to be built is counted here. Who is refused hears who holds what.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaned.h"

enum {
    OVERHEAD_KIB = 1024, OVERHEAD_VCPU_KIB = 32,    // what a domain takes of the hypervisor beside its memory
    MAX_HOLDERS = 4,                                // that are named
    MAX_LOOKS = 10,                                 // for two readings of free memory that are the same
};

struct holder {
    uint64_t kib;
    const struct host_domain *seen;
};

static uint64_t overhead_kib(const struct domain *d)
{
    return OVERHEAD_KIB + OVERHEAD_VCPU_KIB * d->def.max_vcpus;
}

static uint64_t held_kib(const struct host_domain *seen)
{
    return seen->memory_kib + seen->claimed_kib;
}

// One that is starting is known by its UUID only.
static bool is_of(const struct host_domain *seen, const struct domain *d)
{
    uint8_t uuid[16];

    if (d->phase == PHASE_OFF || seen->dying)
        return false;
    if (d->id)
        return seen->id == d->id;
    uuid_bytes(d->def.uuid, uuid);
    return memcmp(seen->uuid, uuid, sizeof(uuid)) == 0;
}

// What those that are starting will still take.
static uint64_t promised_kib(const struct vaned *v, const struct host_domain *seen, unsigned count)
{
    uint64_t sum = 0;

    for (const struct domain *d = v->domains; d; d = d->next) {
        uint64_t left = d->phase == PHASE_STARTING ? d->def.memory_kib + overhead_kib(d) : 0;

        for (unsigned i = 0; left && i < count; i++)
            if (is_of(&seen[i], d))
                left -= held_kib(&seen[i]) < left ? held_kib(&seen[i]) : left;
        sum += left;
    }
    return sum;
}

static int by_size(const void *a, const void *b)
{
    const struct holder *x = a, *y = b;

    return (x->kib < y->kib) - (x->kib > y->kib);
}

static void name_of(const struct vaned *v, const struct host_domain *seen, char name[DEFINITION_NAME_SIZE])
{
    const struct domain *d = v->domains;

    while (d && !is_of(seen, d))
        d = d->next;
    if (d)
        snprintf(name, DEFINITION_NAME_SIZE, "%s", d->def.name);
    else if (seen->id == 0)
        snprintf(name, DEFINITION_NAME_SIZE, "dom0");
    else
        snprintf(name, DEFINITION_NAME_SIZE, "domain %u (%s)", seen->id, seen->dying ? "ending" : "not vaned's");
}

// The largest first.
static void name_holders(const struct vaned *v, const struct host_domain *seen, unsigned count, char *text, size_t size)
{
    static struct holder holders[HOST_MAX_DOMAINS];
    char name[DEFINITION_NAME_SIZE];
    uint64_t others = 0;
    size_t used = 0;

    for (unsigned i = 0; i < count; i++)
        holders[i] = (struct holder){ held_kib(&seen[i]), &seen[i] };
    qsort(holders, count, sizeof(holders[0]), by_size);
    text[0] = '\0';
    for (unsigned i = 0; i < count && i < MAX_HOLDERS && used < size; i++) {
        name_of(v, holders[i].seen, name);
        used += (size_t)snprintf(text + used, size - used, "%s%s %" PRIu64 " KiB", i ? ", " : "", name, holders[i].kib);
    }
    for (unsigned i = MAX_HOLDERS; i < count; i++)
        others += holders[i].kib;
    if (count > MAX_HOLDERS && used < size)
        snprintf(text + used, size - used, ", %u others %" PRIu64 " KiB", count - MAX_HOLDERS, others);
}

// What is free and who holds what, at one moment: memory that the builder claims between the two would count as free and as held.
// Where it changes all the time the smaller reading counts.
static int look(struct vaned *v, struct host_facts *facts, struct host_domain *seen, unsigned *count, struct vane_error *error)
{
    uint64_t before;
    int rc = 0;

    for (unsigned i = 0; i < MAX_LOOKS && rc == 0; i++) {
        before = facts->free_kib;
        rc = host_domains(v->host, seen, HOST_MAX_DOMAINS, count, error);
        if (rc == 0)
            rc = host_facts(v->host, facts, error);
        if (facts->free_kib == before)
            break;
        if (i == MAX_LOOKS - 1 && before < facts->free_kib)
            facts->free_kib = before;
    }
    return rc;
}

int domain_admit(struct vaned *v, const struct domain *d, struct vane_error *error)
{
    static struct host_domain seen[HOST_MAX_DOMAINS];
    uint64_t need = d->def.memory_kib + overhead_kib(d), promised;
    char holders[400], waiting[80] = "";
    struct host_facts facts;
    unsigned count = 0;
    int rc = host_facts(v->host, &facts, error);

    // Who holds what is looked up only where it is wanted.
    if (rc || (facts.free_kib >= need && !domains_start(v)))
        return rc;
    rc = look(v, &facts, seen, &count, error);
    if (rc)
        return rc;
    promised = promised_kib(v, seen, count);
    if (facts.free_kib >= promised && facts.free_kib - promised >= need)
        return 0;
    if (promised)
        snprintf(waiting, sizeof(waiting), ", %" PRIu64 " KiB of them promised to domains that are starting", promised);
    name_holders(v, seen, count, holders, sizeof(holders));
    return vane_fail(error, VANE_NO_RESOURCE, "memory: %s needs %" PRIu64 " KiB (%" PRIu64 " KiB of them for the hypervisor), and %"
                     PRIu64 " KiB are free%s: lower memory_kib, or stop who holds it: %s", d->def.name, need, overhead_kib(d),
                     facts.free_kib, waiting, holders);
}
