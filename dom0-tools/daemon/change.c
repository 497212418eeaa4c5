// SPDX-License-Identifier: MIT
// Changes of a definition, and of the guest that runs by it: all of a request or nothing. All is checked on a copy, then
// the guest is changed, which goes back to the old values when one step fails, then the new definition counts.
#include <stdio.h>
#include <string.h>

#include "vaned.h"

static int change_memory(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error)
{
    return host_set_memory(v->host, id, def->memory_kib, error);
}

static int change_vcpus(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error)
{
    return host_set_vcpus(v->host, id, (unsigned)def->vcpus, (unsigned)def->max_vcpus, error);
}

static int change_share(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error)
{
    return host_set_share(v->host, id, (unsigned)def->weight, (unsigned)def->cap, error);
}

static int change_affinity(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error)
{
    char all[32];
    struct host_facts facts;
    int rc = host_facts(v->host, &facts, error);

    if (rc == 0)
        snprintf(all, sizeof(all), "0-%u", facts.nr_cpus - 1);
    for (unsigned i = 0; i < def->max_vcpus && rc == 0; i++)
        rc = host_pin(v->host, id, i, def->affinity ? def->affinity : all, error);
    return rc;
}

static int change_name(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error)
{
    return host_rename(v->host, id, def->name, error);
}

// What a field means for a guest that runs. The others count from its next start.
static const struct effect {
    const char *field;
    int (*apply)(struct vaned *v, unsigned id, const struct definition *def, struct vane_error *error);
} effects[] = {
    { "memory_kib", change_memory }, { "vcpus", change_vcpus }, { "weight", change_share }, { "cap", change_share },
    { "affinity", change_affinity }, { "name", change_name },
};
enum { NR_EFFECTS = sizeof(effects) / sizeof(effects[0]) };

static void take_back(struct vaned *v, const struct domain *d, const json_t *changes, size_t count)
{
    struct vane_error error;

    for (size_t i = 0; i < count && d->phase == PHASE_RUNNING; i++)
        if (json_object_get(changes, effects[i].field) && effects[i].apply(v, d->id, &d->def, &error))
            log_line("%s: its %s cannot be put back: %s", d->def.name, effects[i].field, error.text);
}

static int apply(struct vaned *v, const struct domain *d, const json_t *changes, const struct definition *to,
                 struct vane_error *error)
{
    for (size_t i = 0; i < NR_EFFECTS && d->phase == PHASE_RUNNING; i++) {
        int rc = json_object_get(changes, effects[i].field) ? effects[i].apply(v, d->id, to, error) : 0;

        if (rc) {
            take_back(v, d, changes, i + 1);
            return rc;
        }
    }
    return 0;
}

static int set(struct definition *to, const char *key, const json_t *value, struct vane_error *error)
{
    char text[32];

    if (strcmp(key, "uuid") == 0)
        return vane_fail(error, VANE_INVALID, "a domain keeps its uuid: define another one");
    if (json_is_string(value))
        return definition_set(to, key, json_string_value(value), error);
    if (!json_is_integer(value) && !json_is_boolean(value))
        return vane_fail(error, VANE_INVALID, "%.40s is no string, number, true or false: write one of them", key);
    snprintf(text, sizeof(text), "%lld", json_integer_value(value));
    return definition_set(to, key, json_is_integer(value) ? text : json_is_true(value) ? "yes" : "no", error);
}

// A copy of the definition with the changes; `to` is to be freed in any case.
static int merge(struct vaned *v, const struct domain *d, json_t *changes, struct definition *to, struct vane_error *error)
{
    int rc = definition_copy(&d->def, to, error);
    struct vane_error ignored;
    struct domain *other;
    const char *key;
    json_t *value;

    json_object_foreach(changes, key, value)
        rc = rc ? rc : set(to, key, value, error);
    rc = rc ? rc : definition_check(to, error);
    if (rc == 0 && strcmp(to->name, d->def.name) != 0 && domain_find(v, to->name, &other, &ignored) == 0)
        rc = vane_fail(error, VANE_EXISTS, "there is a domain %s already: use another name", to->name);
    return rc;
}

static void tell(struct vaned *v, const struct domain *d, json_t *changes)
{
    char fields[200] = "";
    const char *key;
    size_t used = 0;
    json_t *value;

    json_object_foreach(changes, key, value)
        if (used < sizeof(fields))
            used += (size_t)snprintf(fields + used, sizeof(fields) - used, "%s%s", used ? ", " : "", key);
    event_tell(v, d, "changed", fields);
}

int domain_change(struct vaned *v, struct domain *d, json_t *changes, struct vane_error *error)
{
    struct domain trial = { .is_persistent = d->is_persistent };
    struct definition old;
    int rc;

    if (!json_is_object(changes))
        return vane_fail(error, VANE_INVALID, "the body is not a JSON object without repetitions: write {\"field\": value}");
    if (d->phase == PHASE_STARTING)
        return vane_fail(error, VANE_STATE, "%s is starting: wait until it runs", d->def.name);
    rc = merge(v, d, changes, &trial.def, error);
    if (rc == 0)
        rc = apply(v, d, changes, &trial.def, error);
    if (rc == 0) {
        rc = domain_save(v, &trial, error);
        if (rc)
            take_back(v, d, changes, NR_EFFECTS);
    }
    if (rc == 0) {
        old = d->def;
        d->def = trial.def;
        trial.def = old;
        if (strcmp(old.name, d->def.name) != 0)
            console_renamed(v, d, old.name);
        domain_sort(v, d);
        tell(v, d, changes);
    }
    definition_fini(&trial.def);
    return rc;
}
