// SPDX-License-Identifier: MIT
// The API: a table of routes, and what each does. /v1/openapi.json is made from the table.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaned.h"

enum { LOG_SIZE = 1 << 17 };
#define MAX_DISK_KIB (1ll << 40)

static int give(struct request *r, json_t *json, struct vane_error *error)
{
    r->reply.text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    return r->reply.text ? 0 : vane_fail(error, VANE_NO_RESOURCE, "there is no memory for the reply");
}

static int give_text(struct request *r, const char *type, char *text, struct vane_error *error)
{
    r->reply.type = type;
    r->reply.text = text;
    return text ? 0 : vane_fail(error, VANE_NO_RESOURCE, "there is no memory for the reply");
}

static const char *state_of(const struct domain *d)
{
    return d->phase == PHASE_RUNNING && d->is_paused ? "paused" : phase_names[d->phase];
}

// The sums of its NICs and disks, of which something is known.
static void add_nic_figures(json_t *json, const struct vaned *v, const struct domain *d)
{
    struct nic_figures one;
    uint64_t received = 0, sent = 0;
    bool any = false;

    for (unsigned i = 0; domain_runs(d) && i < d->def.nics.count; i++) {
        if (!nic_counted(v, d, i, &one))
            continue;
        any = true;
        received += one.received_bytes;
        sent += one.sent_bytes;
    }
    if (!any)
        return;
    json_object_set_new(json, "nic_received_bytes", json_integer((json_int_t)received));
    json_object_set_new(json, "nic_sent_bytes", json_integer((json_int_t)sent));
}

static void add_disk_figures(json_t *json, const struct vaned *v, const struct domain *d)
{
    const struct disk *disks = d->def.disks.items;
    struct disk_figures one;
    uint64_t read = 0, written = 0;
    bool any = false;

    for (size_t i = 0; domain_runs(d) && i < d->def.disks.count; i++) {
        if (!disk_counted(v, d, &disks[i], &one))
            continue;
        any = true;
        read += one.read_bytes;
        written += one.written_bytes;
    }
    if (!any)
        return;
    json_object_set_new(json, "disk_read_bytes", json_integer((json_int_t)read));
    json_object_set_new(json, "disk_written_bytes", json_integer((json_int_t)written));
}

static void add_nics(json_t *json, const struct vaned *v, const struct domain *d)
{
    json_t *nics = json_array();

    for (unsigned i = 0; i < d->def.nics.count; i++)
        json_array_append_new(nics, nic_json(v, d, i));
    json_object_set_new(json, "nics", nics);
}

static json_t *domain_json(const struct vaned *v, const struct domain *d)
{
    json_t *phases = json_object(), *json;

    for (unsigned i = 0; i < HOST_NR_PHASES && d->phase == PHASE_RUNNING; i++)
        json_object_set_new(phases, host_phase_names[i], json_real((double)d->phase_ns[i] / 1e6));
    json = json_pack("{ss ss ss sI sI sI sI sf sb sb so}", "name", d->def.name, "uuid", d->def.uuid, "state", state_of(d),
                     "memory_kib", (json_int_t)(domain_runs(d) ? d->seen.memory_kib : d->def.memory_kib), "max_memory_kib",
                     (json_int_t)d->def.max_memory_kib, "vcpus",
                     (json_int_t)(domain_runs(d) ? d->seen.nr_vcpus : d->def.vcpus), "max_vcpus",
                     (json_int_t)d->def.max_vcpus, "cpu_seconds", (double)d->seen.cpu_time_ns / 1e9, "autostart",
                     (int)d->def.autostart, "transient", (int)!d->is_persistent, "boot_ms", phases);
    json_object_set_new(json, "id", d->phase == PHASE_OFF ? json_null() : json_integer(d->id));
    json_object_set_new(json, "weight", json_integer((json_int_t)d->def.weight));
    json_object_set_new(json, "cap", json_integer((json_int_t)d->def.cap));
    add_disk_figures(json, v, d);
    add_nic_figures(json, v, d);
    if (domain_runs(d))
        add_nics(json, v, d);
    if (d->last_end[0]) {
        json_object_set_new(json, "last_end", json_string(d->last_end));
        json_object_set_new(json, "last_end_time", json_integer(d->last_end_time));
    }
    if (d->def.title)
        json_object_set_new(json, "title", json_string(d->def.title));
    return json;
}

static int find(struct request *r, struct domain **d, struct vane_error *error)
{
    life_check(r->v);
    return domain_find(r->v, r->part[0], d, error);
}

static int list_domains(struct request *r, struct vane_error *error)
{
    json_t *all = json_array();

    life_check(r->v);
    for (const struct domain *d = r->v->domains; d; d = d->next)
        json_array_append_new(all, domain_json(r->v, d));
    return give(r, json_pack("{so}", "domains", all), error);
}

static int is_asked(const struct request *r, const char *name)
{
    const char *value = r->query(r, name);

    return value && strcmp(value, "1") == 0;
}

static void wait_for(struct request *r, const struct domain *d, int what)
{
    r->reply.waits = what;
    snprintf(r->reply.uuid, sizeof(r->reply.uuid), "%s", d->def.uuid);
}

// `also` is taken.
int show_again(struct request *r, const char *uuid, json_t *also, struct vane_error *error)
{
    const struct domain *d;
    json_t *json;

    life_check(r->v);
    d = domain_by_uuid(r->v, uuid);
    json = d ? domain_json(r->v, d) : json_object();    // a transient one may be gone
    if (also)
        json_object_update(json, also);
    json_decref(also);
    return give(r, json, error);
}

static int define(struct request *r, struct vane_error *error)
{
    struct definition def = { 0 };
    struct vane_error ignored_error;
    struct domain *d = NULL;
    char *ignored = NULL;
    json_t *json;
    int rc = definition_read(&def, r->body, r->body_size, &ignored, error);
    bool persistent = !is_asked(r, "transient"), check = is_asked(r, "check");

    if (rc == 0 && !check)
        rc = domain_define(r->v, &def, persistent, &d, error);
    definition_fini(&def);
    if (rc == 0 && !check && d->phase == PHASE_OFF)
        event_tell(r->v, d, "defined", NULL);
    if (rc == 0 && !check && is_asked(r, "start")) {
        rc = domain_start(r->v, d, error);
        if (rc == 0)
            wait_for(r, d, WAITS_START);
        else if (!persistent)
            (void)domain_forget(r->v, d, &ignored_error);
    }
    json = rc ? NULL : check || r->reply.waits ? json_object() : domain_json(r->v, d);
    if (json)
        json_object_set_new(json, "ignored", json_string(ignored ? ignored : ""));
    free(ignored);
    if (!rc && r->reply.waits)
        r->reply.also = json;
    return rc || r->reply.waits ? rc : give(r, json, error);
}

static int show(struct request *r, struct vane_error *error)
{
    struct domain *d;
    int rc = find(r, &d, error);

    return rc ? rc : give(r, domain_json(r->v, d), error);
}

static int show_definition(struct request *r, struct vane_error *error)
{
    const char *format = r->query(r, "format");
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc)
        return rc;
    if (!format || strcmp(format, "json") == 0)
        return give_text(r, "application/json", definition_write_json(&d->def), error);
    if (strcmp(format, "xml") == 0)
        return give_text(r, "application/xml", definition_write_xml(&d->def), error);
    return vane_fail(error, VANE_INVALID, "format is \"%.20s\": use json or xml", format);
}

static int undefine(struct request *r, struct vane_error *error)
{
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc)
        return rc;
    event_tell(r->v, d, "undefined", NULL);
    rc = domain_forget(r->v, d, error);
    return rc ? rc : give(r, json_object(), error);
}

static int change(struct request *r, struct vane_error *error)
{
    json_t *body = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc == 0)
        rc = domain_change(r->v, d, body, error);
    json_decref(body);
    return rc ? rc : give(r, domain_json(r->v, d), error);
}

static int act(struct request *r, struct vane_error *error)
{
    bool starts = strcmp(r->part[1], "start") == 0;
    struct domain *d;
    char uuid[37];
    int rc = find(r, &d, error);

    if (rc)
        return rc;
    if (strcmp(r->part[1], "destroy") == 0 && d->phase == PHASE_STARTING) {
        wait_for(r, d, WAITS_END);
        domain_cancel(r->v, d);
        return 0;
    }
    snprintf(uuid, sizeof(uuid), "%s", d->def.uuid);
    rc = starts ? domain_start(r->v, d, error) : domain_act(r->v, d, r->part[1], error);
    if (rc == 0 && starts)
        wait_for(r, d, WAITS_START);
    return rc || starts ? rc : show_again(r, uuid, NULL, error);
}

static int show_said(struct request *r, struct vane_error *error)
{
    struct domain *d;
    int rc = find(r, &d, error);

    return rc ? rc : give_text(r, "text/plain", console_log(r->v, d), error);      // in whatever characters
}

static int follow_console(struct request *r, struct vane_error *error)
{
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc)
        return rc;
    r->reply.is_stream = true;
    r->reply.type = "application/octet-stream";
    r->reply.console = d->def.uuid;
    r->reply.viewer = r->query(r, "viewer");
    return 0;
}

static int say(struct request *r, struct vane_error *error)
{
    const char *viewer = r->query(r, "viewer");
    const struct typed typed = { viewer ? viewer : "", r->body, r->body_size, is_asked(r, "take"), is_asked(r, "leave") };
    struct domain *d;
    size_t taken;
    int rc = find(r, &d, error);

    if (rc == 0)
        rc = console_say(r->v, d, &typed, &taken, error);
    return rc ? rc : give(r, json_pack("{sI ss?}", "taken", (json_int_t)taken, "typist", console_typist(r->v, d)), error);
}

static const char *list_of(const struct route *route)
{
    return strstr(route->path, "/disks") ? "disks" : "nics";
}

// Answered when it is done, which may be now.
static int plugged(struct request *r, const struct domain *d, int rc, struct vane_error *error)
{
    if (rc == 0 && d->plug)
        wait_for(r, d, WAITS_PLUG);
    return rc || d->plug ? rc : give(r, domain_json(r->v, d), error);
}

static int attach(struct request *r, struct vane_error *error)
{
    json_t *body = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc == 0)
        rc = domain_attach(r->v, d, list_of(r->route), body, error);
    json_decref(body);
    return rc ? rc : plugged(r, d, rc, error);
}

static int detach(struct request *r, struct vane_error *error)
{
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc == 0)
        rc = domain_detach(r->v, d, list_of(r->route), r->part[1], is_asked(r, "force"), error);
    return rc ? rc : plugged(r, d, rc, error);
}

static int resize(struct request *r, struct vane_error *error)
{
    json_t *body = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL), *size = json_object_get(body, "size_kib");
    json_int_t kib = json_integer_value(size);
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc == 0 && (!json_is_integer(size) || kib < 1 || kib > MAX_DISK_KIB || json_object_size(body) != 1))
        rc = vane_fail(error, VANE_INVALID, "the body has no size_kib from 1 to %lld: write {\"size_kib\": 20971520}",
                       (long long)MAX_DISK_KIB);
    if (rc == 0)
        rc = domain_resize(r->v, d, r->part[1], (uint64_t)kib, error);
    json_decref(body);
    return rc ? rc : give(r, domain_json(r->v, d), error);
}

static json_t *vcpu_json(struct vaned *v, const struct domain *d, unsigned i)
{
    struct vane_error error;
    struct host_vcpu vcpu;

    if (!domain_runs(d) || host_vcpu(v->host, d->id, i, &vcpu, &error))
        return NULL;
    return json_pack("{si ss si sf}", "vcpu", (int)i, "state", !vcpu.online ? "offline" : vcpu.running ? "running" :
                     vcpu.blocked ? "blocked" : "waiting", "cpu", (int)vcpu.cpu, "cpu_seconds", (double)vcpu.cpu_time_ns / 1e9);
}

static int list_vcpus(struct request *r, struct vane_error *error)
{
    json_t *all = json_array(), *json;
    struct domain *d;
    int rc = find(r, &d, error);

    for (unsigned i = 0; rc == 0 && i < d->def.max_vcpus; i++)
        if ((json = vcpu_json(r->v, d, i)))
            json_array_append_new(all, json);
    if (rc == 0)
        return give(r, json_pack("{so}", "vcpus", all), error);
    json_decref(all);
    return rc;
}

static int pin(struct request *r, struct vane_error *error)
{
    json_t *body = json_loads(r->body, 0, NULL);
    const char *cpus = json_string_value(json_object_get(body, "cpus"));
    unsigned vcpu = (unsigned)strtoul(r->part[1], NULL, 10);
    uint8_t bits[HOST_MAX_DOMAINS / 8];
    struct domain *d;
    int rc = find(r, &d, error);

    if (rc == 0 && (!cpus || !cpus_parse(cpus, bits, HOST_MAX_DOMAINS)))
        rc = vane_fail(error, VANE_INVALID, "cpus is no list of CPUs: write {\"cpus\": \"0-3,^2\"}");
    else if (rc == 0 && vcpu >= d->def.max_vcpus)
        rc = vane_fail(error, VANE_INVALID, "%s has no vcpu %u: use one below %u", d->def.name, vcpu, (unsigned)d->def.max_vcpus);
    else if (rc == 0 && !domain_runs(d))
        rc = vane_fail(error, VANE_STATE, "%s is %s: set pins in its definition", d->def.name, phase_names[d->phase]);
    if (rc == 0)
        rc = host_pin(r->v->host, d->id, vcpu, cpus, error);
    json_decref(body);
    return rc ? rc : give(r, json_object(), error);
}

static int show_host(struct request *r, struct vane_error *error)
{
    struct host_facts facts = { 0 };
    struct host_domain dom0;
    unsigned count, running = 0;
    int rc = host_facts(r->v->host, &facts, error);

    if (rc == 0)
        rc = host_domains(r->v->host, &dom0, 1, &count, error);
    for (const struct domain *d = r->v->domains; d; d = d->next)
        running += domain_runs(d);
    return rc ? rc : give(r, json_pack("{ss si sI sI sI si sI si sf}", "hypervisor", facts.version, "cpus", (int)facts.nr_cpus,
                                       "cpu_khz", (json_int_t)facts.cpu_khz, "memory_kib", (json_int_t)facts.total_kib,
                                       "free_kib", (json_int_t)facts.free_kib, "running", (int)running, "dom0_memory_kib",
                                       (json_int_t)dom0.memory_kib, "dom0_vcpus", (int)dom0.nr_vcpus, "dom0_cpu_seconds",
                                       (double)dom0.cpu_time_ns / 1e9), error);
}

static int show_log(struct request *r, struct vane_error *error)
{
    char *text = malloc(LOG_SIZE);
    int rc = text ? host_log(r->v->host, text, LOG_SIZE, error) : 0;

    if (rc == 0)
        return give_text(r, "text/plain; charset=utf-8", text, error);
    free(text);
    return rc;
}

// From now on, with ?after=ID from what came behind that event, with ?last=COUNT from so many before.
static int events(struct request *r, struct vane_error *error)
{
    const char *after = r->query(r, "after"), *last = r->query(r, "last");
    uint64_t now = r->v->next_event - 1, count = last ? strtoull(last, NULL, 10) : 0;

    (void)error;
    r->reply.is_stream = true;
    r->reply.type = "text/event-stream";
    r->reply.after = after ? strtoull(after, NULL, 10) : count < now ? now - count : 0;
    return 0;
}

static int show_schema(struct request *r, struct vane_error *error)
{
    return give_text(r, "application/schema+json", definition_schema(), error);
}

static int show_openapi(struct request *r, struct vane_error *error)
{
    return give_text(r, "application/json", openapi_text(), error);
}

static int show_metrics(struct request *r, struct vane_error *error)
{
    life_check(r->v);
    return give_text(r, "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics_text(r->v), error);
}

#define JSON "application/json"
#define XML "application/xml"
#define TEXT "text/plain"
#define BYTES "application/octet-stream"
#define DOMAIN "/v1/domains/{name}"

const struct route routes[] = {
    { "GET", "/v1/domains", "all domains, by name", list_domains, NULL, NULL, NULL },
    { "POST", "/v1/domains", "define one, from XML, JSON or xl.cfg", define, "start transient check", JSON " " XML " " TEXT, NULL },
    { "GET", DOMAIN, "one, by name or UUID", show, NULL, NULL, NULL },
    { "PATCH", DOMAIN, "change fields of its definition, and of its guest: all of them or none", change, NULL, JSON, NULL },
    { "DELETE", DOMAIN, "undefine it; a guest that runs becomes transient", undefine, NULL, NULL, NULL },
    { "GET", DOMAIN "/definition", "its definition", show_definition, "format", NULL, JSON " " XML },
    { "GET", DOMAIN "/vcpus", "its vCPUs", list_vcpus, NULL, NULL, NULL },
    { "PATCH", DOMAIN "/vcpus/{vcpu}", "pin a vCPU: {\"cpus\": \"0-3\"}", pin, NULL, JSON, NULL },
    { "GET", DOMAIN "/log", "the end of what its guests have said, with times", show_said, NULL, NULL, TEXT },
    { "GET", DOMAIN "/console", "what its guest says, as it says it, until it ends", follow_console, "viewer", NULL, BYTES },
    { "POST", DOMAIN "/console", "type the body on its console; says how many bytes there was room for, and who has the keyboard",
      say, "viewer take leave", BYTES, NULL },
    { "POST", DOMAIN "/disks", "attach a disk: its fields as in a definition", attach, NULL, JSON, NULL },
    { "PATCH", DOMAIN "/disks/{target}", "make the file behind a disk larger: {\"size_kib\": 20971520}", resize, NULL, JSON, NULL },
    { "DELETE", DOMAIN "/disks/{target}", "detach a disk", detach, "force", NULL, NULL },
    { "POST", DOMAIN "/nics", "attach a NIC: its fields as in a definition", attach, NULL, JSON, NULL },
    { "DELETE", DOMAIN "/nics/{nic}", "detach a NIC, by its address or its place in the definition", detach, "force", NULL, NULL },
    { "POST", DOMAIN "/{action}", "start, shutdown, reboot, destroy, pause or resume it", act, NULL, NULL, NULL },
    { "GET", "/v1/host", "the host", show_host, NULL, NULL, NULL },
    { "GET", "/v1/host/log", "the hypervisor's log", show_log, NULL, NULL, TEXT },
    { "GET", "/v1/events", "what happens from now on, as server-sent events", events, "after last", NULL, "text/event-stream" },
    { "GET", "/v1/schema", "the JSON Schema of a definition", show_schema, NULL, NULL, "application/schema+json" },
    { "GET", "/v1/openapi.json", "this API", show_openapi, NULL, NULL, NULL },
    { "GET", "/metrics", "figures in OpenMetrics", show_metrics, NULL, NULL, "application/openmetrics-text" },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};

static const struct { const char *name, *help; } queries[] = {
    { "start", "1: start it too" },
    { "transient", "1: keep no file; it is forgotten when its guest ends" },
    { "check", "1: only read it" },
    { "format", "json or xml" },
    { "viewer", "who looks on and types, a name that the viewer gives itself" },
    { "take", "1: have the keyboard, whoever has it now" },
    { "leave", "1: give the keyboard back" },
    { "force", "1: do not wait for the guest to let go" },
    { "after", "the id of an event: from what came behind it" },
    { "last", "how many of the past come first; vaned remembers 256" },
};

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

static void add_parameter(json_t *parameters, const char *name, size_t length, const char *in, const char *help)
{
    json_t *one = json_pack("{ss% ss sb s{ss} ss*}", "name", name, length, "in", in, "required", in[0] == 'p', "schema", "type",
                            "string", "description", help);

    json_array_append_new(parameters, one);
}

static json_t *parameters_of(const struct route *route)
{
    json_t *all = json_array();

    for (const char *at = route->path; (at = strchr(at, '{')); at++)
        add_parameter(all, at + 1, strcspn(at + 1, "}"), "path", NULL);
    for (size_t i = 0; route->queries && i < sizeof(queries) / sizeof(queries[0]); i++)
        if (has_word(route->queries, queries[i].name))
            add_parameter(all, queries[i].name, strlen(queries[i].name), "query", queries[i].help);
    return all;
}

// An object of media types, each with its schema where it is of a definition.
static json_t *content(const char *types, bool is_definition)
{
    json_t *all = json_object();

    while (*types) {
        size_t length = strcspn(types, " ");
        json_t *schema = is_definition && length == strlen(JSON) && memcmp(types, JSON, length) == 0
                             ? json_pack("{ss}", "$ref", "#/components/schemas/definition") : json_object();
        char type[64];

        snprintf(type, sizeof(type), "%.*s", (int)length, types);
        json_object_set_new(all, type, json_pack("{so}", "schema", schema));
        types += length + (types[length] == ' ');
    }
    return all;
}

static void add_route(json_t *paths, const struct route *route)
{
    json_t *path = json_object_get(paths, route->path), *operation;
    char method[8] = "";

    for (unsigned i = 0; route->method[i] && i < 7; i++)
        method[i] = (char)(route->method[i] | 0x20);
    if (!path) {
        path = json_object();
        json_object_set_new(paths, route->path, path);
    }
    operation = json_pack("{ss so s{s{ss so} s{ss so}}}", "summary", route->summary, "parameters", parameters_of(route),
        "responses", "200", "description", "done", "content", content(route->gives ? route->gives : JSON, route->handle == show_definition),
        "default", "description", "an object error with kind and message; the status follows the kind", "content",
        content(JSON, false));
    if (route->takes)
        json_object_set_new(operation, "requestBody", json_pack("{so}", "content", content(route->takes, route->handle == define)));
    json_object_set_new(path, method, operation);
}

char *openapi_text(void)
{
    char *schema = definition_schema(), *text;
    json_t *paths = json_object(), *api;

    for (const struct route *route = routes; route->method; route++)
        add_route(paths, route);
    api = json_pack("{ss s{ss ss} so s{s{so*}}}", "openapi", "3.1.0", "info", "title", "vaned", "version", "1", "paths", paths,
                    "components", "schemas", "definition", schema ? json_loads(schema, 0, NULL) : NULL);
    text = json_dumps(api, JSON_INDENT(2));
    json_decref(api);
    free(schema);
    return text;
}
