// SPDX-License-Identifier: MIT
// What domains go through: start, end, what follows an end, and the start of the host.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vaned.h"

enum {
    FINISH_US = 5000,
    AGAIN_MS = 1000,                                // until what could not be ended is ended again
    QUICK_MS = 10000, MAX_QUICK_ENDS = 3,           // a guest that restarts for ever is stopped
};

static const char *const end_names[NR_ENDS] = { "poweroff", "reboot", "suspend", "crash", "watchdog" };

bool domain_runs(const struct domain *d)
{
    return d->phase == PHASE_RUNNING;
}

static int check_startable(const struct domain *d, struct vane_error *error)
{
    if (d->phase != PHASE_OFF)
        return vane_fail(error, VANE_STATE, "%s is %s: only what is off can be started", d->def.name, phase_names[d->phase]);
    if (!d->def.kernel)
        return vane_fail(error, VANE_UNSUPPORTED, "%s has no kernel, and kernels in a guest's disk cannot be found yet: "
                         "name one of this host as kernel", d->def.name);
    return devices_check(&d->def, error);
}

bool domains_start(const struct vaned *v)
{
    const struct domain *d = v->domains;

    while (d && d->phase != PHASE_STARTING)
        d = d->next;
    return d;
}

// All is there: from now on it is a guest that runs.
static int release(struct vaned *v, struct domain *d, struct vane_error *error)
{
    const struct pin *pins = d->def.pins.items;
    int rc = host_set_share(v->host, d->id, (unsigned)d->def.weight, (unsigned)d->def.cap, error);

    for (unsigned i = 0; d->def.affinity && i < d->def.max_vcpus && rc == 0; i++)
        rc = host_pin(v->host, d->id, i, d->def.affinity, error);
    for (size_t i = 0; i < d->def.pins.count && rc == 0; i++)
        rc = host_pin(v->host, d->id, (unsigned)pins[i].vcpu, pins[i].cpus, error);
    if (rc == 0)
        rc = host_pause(v->host, d->id, false, error);
    if (rc == 0)
        d->why = WHY_ASKED;
    return rc ? rc : domain_save_phase(v, d, PHASE_RUNNING, error);
}

// The host's start may outlive a vaned: RUN/booting names those that it has been to, and is called booted when it has ended.
static void boot_path(const struct vaned *v, const char *name, char path[512])
{
    snprintf(path, 512, "%.400s/%s", v->run, name);
}

static void pass(struct vaned *v, struct domain *d)
{
    char path[512], line[64];
    int length = snprintf(line, sizeof(line), "%s\n", d->def.uuid), fd = -1;

    if (!d->is_passed && v->is_starting) {
        boot_path(v, "booting", path);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, line, (size_t)length) != length)
            log_line("%s: a vaned after this one may start it again: %s: %s", d->def.name, path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    d->is_passed = true;
}

static void end_boot(struct vaned *v)
{
    char from[512], to[512];
    int fd;

    boot_path(v, "booting", from);
    boot_path(v, "booted", to);
    fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || rename(from, to))
        log_line("the host's start may be done again: %s: %s", to, strerror(errno));
    v->is_starting = false;
}

void life_boot(struct vaned *v, bool autostart)
{
    char path[512], uuid[64];
    FILE *file;

    v->autostart = autostart;
    boot_path(v, "booted", path);
    v->is_starting = access(path, F_OK) != 0;
    boot_path(v, "booting", path);
    file = v->is_starting ? fopen(path, "re") : NULL;
    while (file && fgets(uuid, sizeof(uuid), file)) {
        struct domain *d;

        uuid[strcspn(uuid, "\n")] = '\0';
        d = domain_by_uuid(v, uuid);
        if (d)
            d->is_passed = true;
    }
    if (file)
        fclose(file);
    if (v->is_starting && !autostart)
        end_boot(v);
}

// All that there is of it goes, and it is off; or what is left is tried again by life_again(). One that is to be started again
// keeps its file until it is, or start_again() gives up.
static int end_all(struct vaned *v, struct domain *d, struct vane_error *error)
{
    struct vane_error ignored;
    uint8_t uuid[16];
    int rc;

    pass(v, d);
    (void)domain_save_phase(v, d, PHASE_ENDING, &ignored);
    d->phase = PHASE_ENDING;
    d->again_ms = now_ms() + AGAIN_MS;
    uuid_bytes(d->def.uuid, uuid);
    console_leave(v, d);
    backends_stop(v, d);
    rc = host_destroy(v->host, d->id, uuid, error);
    if (rc && rc != -VANE_NOT_FOUND)
        return rc;
    d->id = 0;
    d->is_paused = false;
    memset(&d->seen, 0, sizeof(d->seen));
    rc = d->why ? 0 : domain_save_phase(v, d, PHASE_OFF, error);
    d->phase = PHASE_OFF;
    return rc;
}

static void undo(struct vaned *v, struct domain *d)
{
    struct vane_error error;

    if (end_all(v, d, &error))
        log_line("%s: what was made of it is not all gone: %s", d->def.name, error.text);
}

int domain_start(struct vaned *v, struct domain *d, struct vane_error *error)
{
    int rc = check_startable(d, error);

    if (rc == 0)
        rc = devices_check_others(v, &d->def, error);
    pass(v, d);
    if (rc == 0)
        rc = domain_admit(v, d, error);
    if (rc == 0)
        rc = domain_save_phase(v, d, PHASE_STARTING, error);
    if (rc)
        return rc;
    d->id = 0;
    d->is_paused = false;
    d->is_unwanted = false;
    d->started_ms = now_ms();
    rc = builder_add(v, d, error);
    if (rc)
        undo(v, d);
    return rc;
}

void domain_cancel(struct vaned *v, struct domain *d)
{
    d->is_unwanted = true;
    builder_drop(v, d->def.uuid);
}

int domain_stop(struct vaned *v, struct domain *d, const char *event, struct vane_error *error)
{
    int rc;

    if (d->phase == PHASE_OFF)
        return vane_fail(error, VANE_STATE, "%s is off: there is nothing to end", d->def.name);
    rc = end_all(v, d, error);
    if (d->phase == PHASE_OFF)
        event_tell(v, d, event, d->has_ended ? end_names[d->end] : NULL);
    return rc;
}

// A transient domain is nothing without its guest, or one to come.
static void settle(struct vaned *v, struct domain *d)
{
    struct vane_error ignored;

    if (d->phase == PHASE_OFF && !d->is_persistent && !d->why)
        (void)domain_forget(v, d, &ignored);
}

void life_served(struct vaned *v, struct domain *d, int rc, struct vane_error *error)
{
    struct vane_error end_error = { 0 };
    int end = 0;

    d->started_ms = now_ms();
    if (d->is_unwanted)
        rc = vane_fail(error, VANE_STATE, "%s was destroyed while it was starting", d->def.name);
    else if (rc == 0)
        rc = release(v, d, error);
    if (d->is_unwanted || !v->stop)
        d->why = WHY_ASKED;             // else the next vaned starts what this one could not any more
    if (rc)
        end = end_all(v, d, &end_error);
    if (end)
        log_line("%s: what was made of it is not all gone: %s", d->def.name, end_error.text);
    event_tell(v, d, d->is_unwanted ? "destroyed" : d->why ? "undone" : rc ? "failed" : "started",
               rc && !d->is_unwanted ? error->text : NULL);
    http_start_over(v, d->def.uuid, rc, error, end, &end_error);
    settle(v, d);
}

static void built(struct vaned *v, struct domain *d, struct job *job)
{
    int rc = job->rc;

    d->id = rc ? 0 : job->id;
    memcpy(d->phase_ns, job->phase_ns, sizeof(d->phase_ns));
    if (rc == 0 && !d->is_unwanted) {
        console_listen(v, d);
        rc = backends_start(v, d, &job->error);
    }
    if (rc || d->is_unwanted || !d->backends)
        life_served(v, d, rc, &job->error);
}

void life_built(struct vaned *v)
{
    struct domain *d;
    struct job *job;

    while ((job = builder_take(v))) {
        // It is there: what is starting can neither be forgotten nor get another UUID.
        d = domain_by_uuid(v, job->def.uuid);
        if (d)
            built(v, d, job);
        job_free(job);
    }
}

void life_finish(struct vaned *v)
{
    plugs_finish(v);
    builder_stop(v);
    life_built(v);
    while (domains_start(v)) {
        usleep(FINISH_US);
        backends_run(v);
    }
}

// What nobody asked for now, and its file tells why: it has no other to be told that it cannot be.
static int start_again(struct vaned *v, struct domain *d)
{
    struct vane_error error, ignored;
    int rc = domain_start(v, d, &error);

    if (rc) {
        d->why = WHY_ASKED;
        (void)domain_save_phase(v, d, d->phase, &ignored);
        event_tell(v, d, "failed", error.text);
    }
    return rc;
}

// After an end: the start that it was for. life_autostart() sees to those that start with the host.
static void go_on(struct vaned *v, struct domain *d)
{
    if (d->phase == PHASE_OFF && d->why == WHY_RESTART)
        (void)start_again(v, d);
}

static void stop_and_go(struct vaned *v, struct domain *d)
{
    struct vane_error error;

    if (domain_stop(v, d, "stopped", &error))
        log_line("%s: %s", d->def.name, error.text);
    go_on(v, d);
}

static void restart(struct vaned *v, struct domain *d)
{
    bool is_quick = now_ms() - d->started_ms < QUICK_MS;

    d->nr_quick_ends = is_quick ? d->nr_quick_ends + 1 : 0;
    d->why = d->nr_quick_ends < MAX_QUICK_ENDS ? WHY_RESTART : WHY_ASKED;
    stop_and_go(v, d);
    if (d->nr_quick_ends < MAX_QUICK_ENDS)
        return;
    d->nr_quick_ends = 0;
    event_tell(v, d, "failed", "it ended three times within seconds of its start, and is not started again");
}

// The table of ends: which field of the definition says what follows.
static void ended(struct vaned *v, struct domain *d, enum host_end end)
{
    const uint64_t actions[NR_ENDS] = {
        [END_POWEROFF] = d->def.on_poweroff, [END_REBOOT] = d->def.on_reboot, [END_SUSPEND] = ON_PRESERVE,
        [END_CRASH] = d->def.on_crash, [END_WATCHDOG] = d->def.on_crash,
    };
    struct vane_error error;

    d->end = end;
    d->has_ended = true;
    domain_note_end(v, d, end_names[end]);
    if (end == END_CRASH || end == END_WATCHDOG)
        event_tell(v, d, "crashed", end_names[end]);
    switch (actions[end]) {
    case ON_RESTART:
        restart(v, d);
        break;
    case ON_PRESERVE:
        (void)domain_save_phase(v, d, PHASE_KEPT, &error);
        event_tell(v, d, "kept", end_names[end]);
        break;
    default:
        if (domain_stop(v, d, "stopped", &error))
            log_line("%s: %s", d->def.name, error.text);
    }
    settle(v, d);
}

// Figures for all, then ends one at a time: what follows an end changes the list. A vaned that is being stopped leaves ends to
// the next one: nothing can be started any more.
static bool check_once(struct vaned *v)
{
    static struct host_domain seen[HOST_MAX_DOMAINS];
    struct vane_error error;
    unsigned count;

    if (host_domains(v->host, seen, HOST_MAX_DOMAINS, &count, &error))
        return false;
    for (struct domain *d = v->domains; d; d = d->next) {
        const struct host_domain *found = NULL;

        for (unsigned i = 0; d->phase == PHASE_RUNNING && i < count && !found; i++)
            if (seen[i].id == d->id && !seen[i].dying)
                found = &seen[i];
        if (found)
            d->seen = *found;
        if (!v->stop && d->phase == PHASE_RUNNING && (!found || found->shut_down)) {
            ended(v, d, found && found->end < NR_ENDS ? found->end : END_POWEROFF);
            return true;
        }
    }
    return false;
}

// One whose end did not get done. Returns whether there was one: then the list may be another.
static bool end_again(struct vaned *v)
{
    struct domain *d = host_fd(v->host) < 0 ? NULL : v->domains;        // nothing tells of ends: no store runs

    while (d && (d->phase != PHASE_ENDING || now_ms() < d->again_ms))
        d = d->next;
    if (!d)
        return false;
    stop_and_go(v, d);
    settle(v, d);
    return true;
}

void life_check(struct vaned *v)
{
    for (unsigned i = 0; i < HOST_MAX_DOMAINS && check_once(v); i++)
        ;
}

void life_again(struct vaned *v)
{
    for (unsigned i = 0; i < HOST_MAX_DOMAINS && end_again(v); i++)
        ;
}

int life_timeout(const struct vaned *v)
{
    for (const struct domain *d = v->domains; d; d = d->next)
        if (d->phase == PHASE_ENDING)
            return AGAIN_MS;
    return -1;
}

// To what the guest has been given by a vaned before this one.
static void find_again(struct vaned *v, struct domain *d)
{
    console_listen(v, d);
    backends_find(v, d);
}

static void recover_one(struct vaned *v, struct domain *d, const struct host_domain *found)
{
    bool lives = found && !found->dying;
    struct vane_error error;

    d->id = found ? found->id : 0;
    if (d->why == WHY_HOST && !v->autostart)
        d->why = WHY_ASKED;
    switch (d->phase) {
    case PHASE_STARTING:
        undo(v, d);
        event_tell(v, d, "undone", "vaned was stopped while it started this domain");
        go_on(v, d);
        break;
    case PHASE_ENDING:
        stop_and_go(v, d);
        break;
    case PHASE_OFF:
        if (lives)
            (void)domain_save_phase(v, d, PHASE_RUNNING, &error);
        break;
    default:
        if (!lives) {
            undo(v, d);
            domain_note_end(v, d, "unseen");
        }
        event_tell(v, d, lives ? "found" : "stopped", lives ? NULL : "it ended while vaned was away");
    }
    d->is_paused = lives && found->paused && d->phase == PHASE_RUNNING;
    if (lives && (d->phase == PHASE_RUNNING || d->phase == PHASE_KEPT))
        find_again(v, d);
    settle(v, d);
}

int life_recover(struct vaned *v, struct vane_error *error)
{
    static struct host_domain seen[HOST_MAX_DOMAINS];
    struct domain *next;
    unsigned count;
    int rc = host_domains(v->host, seen, HOST_MAX_DOMAINS, &count, error);

    if (rc)
        return rc;
    for (struct domain *d = v->domains; d; d = next) {
        const struct host_domain *found = NULL;
        uint8_t uuid[16];

        next = d->next;
        uuid_bytes(d->def.uuid, uuid);
        // One that lives before one that is dying, of which the former may have been made.
        for (unsigned i = 0; i < count && (!found || found->dying); i++)
            if (memcmp(seen[i].uuid, uuid, 16) == 0 && (!found || !seen[i].dying))
                found = &seen[i];
        recover_one(v, d, found);
    }
    life_check(v);
    return 0;
}

static struct domain *next_to_start(struct vaned *v)
{
    struct domain *first = NULL;

    for (struct domain *d = v->domains; d; d = d->next) {
        bool waits = d->why == WHY_HOST || (v->is_starting && d->def.autostart && !d->is_passed);

        if (waits && d->phase == PHASE_OFF && (!first || d->def.start_order < first->def.start_order))
            first = d;
    }
    return first;
}

// Milliseconds that the last one started is still waited for, but not for ever, to say that it is ready.
static int wait_ms(struct vaned *v)
{
    struct domain *d;
    uint64_t end, now = now_ms();

    if (!v->awaited[0])
        return 0;
    d = domain_by_uuid(v, v->awaited);
    if (d && d->phase == PHASE_STARTING)
        return -1;                          // what is built wakes the loop
    if (d && domain_runs(d) && !console_is_ready(d)) {
        end = d->started_ms + d->def.ready_seconds * 1000;
        if (now < end)
            return (int)(end - now);
        event_tell(v, d, "late", "it has not said that it is ready, and is not waited for any more");
    }
    v->awaited[0] = '\0';
    return 0;
}

int life_autostart(struct vaned *v)
{
    int wait = wait_ms(v);
    struct domain *d = wait ? NULL : next_to_start(v);

    if (wait)
        return wait;
    if (!d && v->is_starting)
        end_boot(v);
    if (!d)
        return -1;
    d->why = WHY_HOST;
    if (start_again(v, d) == 0 && d->def.ready_when)
        snprintf(v->awaited, sizeof(v->awaited), "%s", d->def.uuid);
    return 0;
}

static int act_pause(struct vaned *v, struct domain *d, bool pause, struct vane_error *error)
{
    int rc;

    if (d->is_paused == pause)
        return vane_fail(error, VANE_STATE, "%s is %s already", d->def.name, pause ? "paused" : "running");
    rc = host_pause(v->host, d->id, pause, error);
    if (rc == 0) {
        d->is_paused = pause;
        event_tell(v, d, pause ? "paused" : "resumed", NULL);
    }
    return rc;
}

int domain_act(struct vaned *v, struct domain *d, const char *action, struct vane_error *error)
{
    int rc;

    if (strcmp(action, "destroy") == 0) {
        d->has_ended = false;
        d->why = WHY_ASKED;             // whatever was to follow
        if (domain_runs(d))
            domain_note_end(v, d, "destroyed");
        rc = domain_stop(v, d, "destroyed", error);
        settle(v, d);
        return rc;
    }
    if (!domain_runs(d))
        return vane_fail(error, VANE_STATE, "%s is %s: it must run for this", d->def.name, phase_names[d->phase]);
    if (strcmp(action, "pause") == 0 || strcmp(action, "resume") == 0)
        return act_pause(v, d, action[0] == 'p', error);
    if (strcmp(action, "shutdown") == 0 || strcmp(action, "reboot") == 0)
        return host_ask(v->host, d->id, action[0] == 's' ? "poweroff" : "reboot", error);
    return vane_fail(error, VANE_NOT_FOUND, "%.40s is nothing that can be done to a domain: see /v1/openapi.json", action);
}
