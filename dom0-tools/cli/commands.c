// SPDX-License-Identifier: MIT
// The table of commands, and those that are more than one request.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "vane.h"

enum { MAX_FILE = 2 << 20 };

static const struct column
    domain_columns[] = { { "NAME", "name", -20 }, { "ID", "id", 5 }, { "STATE", "state", -8 }, { "VCPUS", "vcpus", 5 },
                         { "MEMORY/KIB", "memory_kib", 10 }, { "CPU/S", "cpu_seconds", 10 },
                         { "AUTOSTART", "autostart", -9 }, { NULL, NULL, 0 } },
    vcpu_columns[] = { { "VCPU", "vcpu", 4 }, { "STATE", "state", -8 }, { "CPU", "cpu", 4 }, { "CPU/S", "cpu_seconds", 10 },
                       { NULL, NULL, 0 } },
    boot_columns[] = { { "NAME", "name", -20 }, { "CREATE/MS", "boot_ms.create", 9 }, { "MEMORY/MS", "boot_ms.memory", 9 },
                       { "KERNEL/MS", "boot_ms.kernel", 9 }, { "INITRAMFS/MS", "boot_ms.initramfs", 12 },
                       { "START/MS", "boot_ms.start", 8 }, { NULL, NULL, 0 } },
    disk_columns[] = { { "NAME", "domain", -20 }, { "DISK", "disk", -6 }, { "READS", "reads", 9 }, { "READ/KIB", "read_kib", 10 },
                       { "WRITES", "writes", 9 }, { "WRITTEN/KIB", "written_kib", 11 }, { "FLUSHES", "flushes", 8 },
                       { "ERRORS", "errors", 6 }, { "LIMITED", "limited", 7 }, { NULL, NULL, 0 } },
    nic_columns[] = { { "NAME", "domain", -20 }, { "NIC", "nic", 3 }, { "RECV/PACKETS", "received_packets", 12 },
                      { "RECV/KIB", "received_kib", 10 }, { "SENT/PACKETS", "sent_packets", 12 }, { "SENT/KIB", "sent_kib", 10 },
                      { "RECV/DROPS", "received_drops", 10 }, { "SENT/DROPS", "sent_drops", 10 },
                      { "LIMITED", "limited", 7 }, { "ADDRESSES", "addresses", 0 }, { NULL, NULL, 0 } },
    sched_columns[] = { { "NAME", "name", -20 }, { "WEIGHT", "weight", 6 }, { "CAP", "cap", 5 }, { NULL, NULL, 0 } },
    top_columns[] = { { "NAME", "name", -20 }, { "STATE", "state", -8 }, { "CPU/%", "cpu_percent", 6 }, { "VCPUS", "vcpus", 5 },
                      { "MEMORY/KIB", "memory_kib", 10 }, { "READ/KIB/S", "disk_read_kib_per_second", 10 },
                      { "WRITE/KIB/S", "disk_written_kib_per_second", 11 }, { "RECV/KIB/S", "nic_received_kib_per_second", 10 },
                      { "SEND/KIB/S", "nic_sent_kib_per_second", 10 }, { NULL, NULL, 0 } };

const char *path_of(const struct vane *vane, const struct command *c, char path[512])
{
    char *name = encode(vane->nr_words ? vane->words[0] : "");

    snprintf(path, 512, "%.*s%s%s", (int)strcspn(c->path, "*"), c->path, strchr(c->path, '*') ? name : "",
             strchr(c->path, '*') ? strchr(c->path, '*') + 1 : "");
    free(name);
    return path;
}

// The request of the table's row, with `body`; prints what came if the row says how.
static int send_row(const struct vane *vane, const struct command *c, const json_t *body)
{
    json_t *reply = NULL;
    char path[512];
    int rc = request_json(vane, c->method, path_of(vane, c, path), body, &reply);

    if (rc == EXIT_DONE && (c->columns || vane->output == OUTPUT_JSON || strcmp(c->method, "GET") == 0))
        print_reply(vane, reply, c->columns, c->list);
    json_decref(reply);
    return rc;
}

int run_request(const struct vane *vane, const struct command *c)
{
    return send_row(vane, c, NULL);
}

static int run_text(const struct vane *vane, const struct command *c)
{
    char *text, path[512];
    int rc = request(vane, c->method, path_of(vane, c, path), "", 0, &text);
    json_t *json = rc == EXIT_DONE && vane->output == OUTPUT_JSON ? c->json(text) : NULL;

    if (json)
        print_json(json);
    else if (rc == EXIT_DONE)
        fputs(text, stdout);
    json_decref(json);
    free(text);
    return rc;
}

// Addresses are no figures: they are with the domains.
static int add_addresses(const struct vane *vane, json_t *rows)
{
    json_t *reply, *row, *d;
    int rc = request_json(vane, "GET", "/v1/domains", NULL, &reply);
    size_t i, j;

    json_array_foreach(rows, i, row)
        json_array_foreach(json_object_get(reply, "domains"), j, d) {
            const char *nic = json_string_value(json_object_get(row, "nic"));
            json_t *its = json_array_get(json_object_get(d, "nics"), nic ? strtoul(nic, NULL, 10) : 0);

            if (json_equal(json_object_get(d, "name"), json_object_get(row, "domain")) && json_object_get(its, "addresses"))
                json_object_set(row, "addresses", json_object_get(its, "addresses"));
        }
    json_decref(reply);
    return rc;
}

// Figures of disks or NICs, out of the metrics, a row for each.
static int run_devices(const struct vane *vane, const struct command *c)
{
    char *text;
    int rc = request(vane, "GET", c->path, "", 0, &text);
    json_t *reply = rc == EXIT_DONE ? devices_json(text, c->list) : NULL;

    if (reply && strcmp(c->list, "nics") == 0)
        rc = add_addresses(vane, json_object_get(reply, c->list));
    if (reply && rc == EXIT_DONE)
        print_reply(vane, reply, c->columns, c->list);
    json_decref(reply);
    free(text);
    return rc;
}

static char *read_all(const char *name, size_t *size)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    char *text = f ? malloc(MAX_FILE) : NULL;

    if (text)
        *size = fread(text, 1, MAX_FILE, f);
    if (f && f != stdin)
        fclose(f);
    return text;
}

static int run_define(const struct vane *vane, const struct command *c)
{
    size_t size = 0;
    char *text = read_all(vane->words[0], &size), *answer;
    const char *ignored;
    json_t *reply;
    int rc;

    if (!text) {
        complain("%s cannot be read: name a file with XML, JSON or an xl.cfg, or - for standard input", vane->words[0]);
        return EXIT_KINDS + VANE_NOT_FOUND - 1;
    }
    rc = request(vane, "POST", c->path, text, size, &answer);
    reply = rc == EXIT_DONE ? json_loads(answer, 0, NULL) : NULL;
    ignored = json_string_value(json_object_get(reply, "ignored"));
    if (ignored && *ignored)
        fputs(ignored, stderr);
    if (reply && vane->output == OUTPUT_JSON)
        print_reply(vane, reply, NULL, NULL);
    else if (reply && json_object_get(reply, "name"))
        printf("%s %s\n", json_string_value(json_object_get(reply, "name")), json_string_value(json_object_get(reply, "uuid")));
    json_decref(reply);
    free(answer);
    free(text);
    return rc;
}

static int run_show(const struct vane *vane, const struct command *c)
{
    char *name = encode(vane->words[0]), path[512], *text;
    int rc;

    if (vane->output == OUTPUT_TABLE) {
        free(name);
        return send_row(vane, c, NULL);
    }
    snprintf(path, sizeof(path), "/v1/domains/%s/definition?format=%s", name, vane->output == OUTPUT_XML ? "xml" : "json");
    free(name);
    rc = request(vane, "GET", path, "", 0, &text);
    if (rc == EXIT_DONE)
        fputs(text, stdout);
    free(text);
    return rc;
}

static int patch(const struct vane *vane, const struct command *c, json_t *body)
{
    int rc = send_row(vane, c, body);

    json_decref(body);
    return rc;
}

static int wrong(const char *word, const char *cure)
{
    complain("\"%s\" cannot stand here: %s", word, cure);
    return EXIT_USAGE;
}

static int run_rename(const struct vane *vane, const struct command *c)
{
    return patch(vane, c, json_pack("{ss}", "name", vane->words[1]));
}

static int run_autostart(const struct vane *vane, const struct command *c)
{
    bool on = strcmp(vane->words[1], "on") == 0;

    if (!on && strcmp(vane->words[1], "off") != 0)
        return wrong(vane->words[1], "write on or off");
    return patch(vane, c, json_pack("{sb}", "autostart", on));
}

// A number without a unit is MiB, as with xl.
static int run_memory(const struct vane *vane, const struct command *c)
{
    char text[64];
    const char *word = vane->words[1];

    snprintf(text, sizeof(text), "%.40s%s", word, word[strspn(word, "0123456789")] ? "" : "MiB");
    return patch(vane, c, json_pack("{ss}", "memory_kib", text));
}

static int run_vcpus(const struct vane *vane, const struct command *c)
{
    return patch(vane, c, json_pack("{ss}", "vcpus", vane->words[1]));
}

static int run_sched(const struct vane *vane, const struct command *c)
{
    struct command show = *c;
    json_t *body = json_object();
    int rc;

    if (vane->nr_words > 1)
        json_object_set_new(body, "weight", json_string(vane->words[1]));
    if (vane->nr_words > 2)
        json_object_set_new(body, "cap", json_string(vane->words[2]));
    show.method = vane->nr_words > 1 ? "PATCH" : "GET";
    rc = send_row(vane, &show, vane->nr_words > 1 ? body : NULL);
    json_decref(body);
    return rc;
}

static int run_pin(const struct vane *vane, const struct command *c)
{
    char *name = encode(vane->words[0]), *vcpu = encode(vane->words[1]), path[512];
    json_t *body = json_pack("{ss}", "cpus", vane->words[2]), *reply;
    int rc;

    (void)c;
    snprintf(path, sizeof(path), "/v1/domains/%s/vcpus/%s", name, vcpu);
    rc = request_json(vane, "PATCH", path, body, &reply);
    json_decref(reply);
    json_decref(body);
    free(name);
    free(vcpu);
    return rc;
}

// Below the domain's path, which the second word names: disks or nics, and the device where `of` is one.
static int device_path(const struct vane *vane, const char *of, char path[512])
{
    char *name = encode(vane->words[1]), *device = of ? encode(of) : NULL;
    bool is_disk = strcmp(vane->words[0], "disk") == 0;

    if (!is_disk && strcmp(vane->words[0], "nic") != 0)
        return wrong(vane->words[0], "write disk or nic");
    snprintf(path, 512, "/v1/domains/%.150s/%s%s%.100s%s", name, is_disk ? "disks" : "nics", device ? "/" : "",
             device ? device : "", vane->force ? "?force=1" : "");
    free(device);
    free(name);
    return EXIT_DONE;
}

static int change_device(const struct vane *vane, const char *method, const char *of, json_t *body)
{
    char path[512];
    json_t *reply = NULL;
    int rc = device_path(vane, of, path);

    if (rc == EXIT_DONE)
        rc = request_json(vane, method, path, body, &reply);
    if (rc == EXIT_DONE && vane->output == OUTPUT_JSON)
        print_json(reply);
    json_decref(reply);
    json_decref(body);
    return rc;
}

static int run_attach(const struct vane *vane, const struct command *c)
{
    json_t *body = json_object();

    (void)c;
    for (int i = 2; i < vane->nr_words; i++) {
        const char *word = vane->words[i], *equals = strchr(word, '=');

        if (!equals || json_object_setn_new(body, word, (size_t)(equals - word), json_string(equals + 1))) {
            json_decref(body);
            return wrong(word, "write FIELD=VALUE, as target=xvdb or bridge=br0");
        }
    }
    return change_device(vane, "POST", NULL, body);
}

static int run_detach(const struct vane *vane, const struct command *c)
{
    (void)c;
    return change_device(vane, "DELETE", vane->words[2], NULL);
}

// A number without a unit is MiB, as with memory.
static int run_resize(const struct vane *vane, const struct command *c)
{
    static const struct { const char *unit; json_int_t kib; } units[] = {
        { "", 1024 }, { "KiB", 1 }, { "MiB", 1024 }, { "GiB", 1 << 20 }, { "TiB", 1 << 30 },
    };
    const char *word = vane->words[3];
    size_t digits = strspn(word, "0123456789");

    (void)c;
    if (strcmp(vane->words[0], "disk") != 0)
        return wrong(vane->words[0], "write disk");
    for (size_t i = 0; digits > 0 && digits < 10 && i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(word + digits, units[i].unit) == 0)
            return change_device(vane, "PATCH", vane->words[2], json_pack("{sI}", "size_kib", atoll(word) * units[i].kib));
    return wrong(word, "write a size, as 20GiB");
}

#define DOMAIN "/v1/domains/*"
const struct command commands[] = {
    { "define", "FILE", 1, 1, "define a domain from XML, JSON or an xl.cfg (- is standard input)", run_define,
      "POST", "/v1/domains", NULL, NULL, NULL },
    { "check", "FILE", 1, 1, "only say whether a definition is right", run_define, "POST", "/v1/domains?check=1", NULL, NULL, NULL },
    { "undefine", "NAME", 1, 1, "forget a definition", run_request, "DELETE", DOMAIN, NULL, NULL, NULL },
    { "start", "NAME", 1, 1, "start a defined domain", run_request, "POST", DOMAIN "/start", NULL, NULL, NULL },
    { "create", "FILE", 1, 1, "start a domain that is forgotten when it ends", run_define,
      "POST", "/v1/domains?transient=1&start=1", NULL, NULL, NULL },
    { "list", "", 0, 0, "all domains", run_request, "GET", "/v1/domains", domain_columns, "domains", NULL },
    { "show", "NAME", 1, 1, "a domain's state; with -o xml or json its definition", run_show, "GET", DOMAIN, NULL, NULL, NULL },
    { "vcpus", "NAME", 1, 1, "a domain's vCPUs", run_request, "GET", DOMAIN "/vcpus", vcpu_columns, "vcpus", NULL },
    { "shutdown", "NAME", 1, 1, "ask the guest to power off", run_request, "POST", DOMAIN "/shutdown", NULL, NULL, NULL },
    { "reboot", "NAME", 1, 1, "ask the guest to reboot", run_request, "POST", DOMAIN "/reboot", NULL, NULL, NULL },
    { "destroy", "NAME", 1, 1, "end it at once", run_request, "POST", DOMAIN "/destroy", NULL, NULL, NULL },
    { "pause", "NAME", 1, 1, "let it wait", run_request, "POST", DOMAIN "/pause", NULL, NULL, NULL },
    { "resume", "NAME", 1, 1, "let it go on", run_request, "POST", DOMAIN "/resume", NULL, NULL, NULL },
    { "console", "NAME", 1, 1, "see what the guest says, and type what it is to read; Ctrl-] leaves", run_console,
      NULL, DOMAIN "/console", NULL, NULL, NULL },
    { "log", "NAME", 1, 1, "the end of what its guests have said, with times", run_text, "GET", DOMAIN "/log", NULL, NULL, lines_json },
    { "rename", "NAME NEW", 2, 2, "give it another name", run_rename, "PATCH", DOMAIN, NULL, NULL, NULL },
    { "autostart", "NAME on|off", 2, 2, "whether it starts with the host", run_autostart, "PATCH", DOMAIN, NULL, NULL, NULL },
    { "set-memory", "NAME SIZE", 2, 2, "change its memory, in MiB or with a unit", run_memory, "PATCH", DOMAIN, NULL, NULL, NULL },
    { "set-vcpus", "NAME NUMBER", 2, 2, "change how many vCPUs are online", run_vcpus, "PATCH", DOMAIN, NULL, NULL, NULL },
    { "pin", "NAME VCPU CPUS", 3, 3, "where a vCPU may run, as 0-3,^2", run_pin, NULL, NULL, NULL, NULL, NULL },
    { "sched", "NAME [WEIGHT [CAP]]", 1, 3, "show or change its share of the CPUs", run_sched, "GET", DOMAIN, sched_columns, NULL, NULL },
    { "attach", "disk|nic NAME FIELD=VALUE...", 3, 34, "give it a device, with the fields of a definition (vane schema): target=xvdb file=/b.img; bridge=br0", run_attach, NULL, NULL, NULL, NULL, NULL },
    { "detach", "disk|nic NAME TARGET|ADDRESS", 3, 3, "take a device away: a disk by its target, a NIC by its address or place", run_detach, NULL, NULL, NULL, NULL, NULL },
    { "resize", "disk NAME TARGET SIZE", 4, 4, "make the file behind a disk larger, to MiB or with a unit; a guest that runs sees it", run_resize, NULL, NULL, NULL, NULL, NULL },
    { "top", "", 0, 0, "what domains use in a second; -n COUNT times, else on a terminal until interrupted", run_top, "GET", "/v1/domains", top_columns, "domains", NULL },
    { "boot", "", 0, 0, "how long the parts of building took, of each domain that runs", run_request, "GET", "/v1/domains", boot_columns, "domains", NULL },
    { "disks", "", 0, 0, "what the disks of running domains have done", run_devices, "GET", "/metrics", disk_columns, "disks", NULL },
    { "nics", "", 0, 0, "what the NICs of running domains have done, and the addresses seen there", run_devices, "GET", "/metrics", nic_columns, "nics", NULL },
    { "info", "", 0, 0, "the host", run_request, "GET", "/v1/host", NULL, NULL, NULL },
    { "dmesg", "", 0, 0, "the hypervisor's log", run_text, "GET", "/v1/host/log", NULL, NULL, lines_json },
    { "events", "", 0, 0, "what happens, until interrupted; -n COUNT of the past before", run_events, "GET", "/v1/events", NULL, NULL, NULL },
    { "metrics", "", 0, 0, "figures in OpenMetrics", run_text, "GET", "/metrics", NULL, NULL, metrics_json },
    { "store", "ls|list|read|write|rm|watch [WORD...]", 1, 64, "look into the store, and change it", run_store, NULL, NULL, NULL, NULL, NULL },
    { "schema", "", 0, 0, "the JSON Schema of definitions", run_schema, NULL, NULL, NULL, NULL, NULL },
    { "doctor", "", 0, 0, "look whether this host can run domains, and say what to mend", run_doctor, NULL, NULL, NULL, NULL, NULL },
    { NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};
