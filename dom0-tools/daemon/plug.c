// SPDX-License-Identifier: MIT
// Devices that come and go while the guest runs. The definition follows.
//
// An attach makes the device's folder, the nodes in the store and a process, and they go the other way round: so a kill leaves
// nothing that no folder tells of. When the process serves, the definition gets the device, and who asked is answered. Until then
// the folder says "new", and whatever fails, be it vaned itself, all of it is taken back. A detach
// asks the back end to close, which waits for the guest to let go. That may take as long as the guest likes, so who asked hears
// after a while that it is not yet done; it goes on, also in another vaned, until the device or the guest is gone.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends.h"

enum { LEAVE_MS = 10000, AGAIN_MS = 1000, ASK_MS = 200, MAX_FIELDS = 32, NUMBER_TEXT = 24, MAX_MADE = 256 };

// What somebody waits for; one at a time for a domain.
struct plug {
    const struct kind *kind;
    char name[BACKEND_NAME];
    json_t *fields;                     // of what is attached; NULL: it is a detach
    uint64_t end_ms;
};

static const struct kind *kind_of(const char *list)
{
    return &kinds[strcmp(kinds[0].list, list) == 0 ? 0 : 1];
}

// --- Definitions

static int add_item(struct definition *to, const struct kind *kind, const json_t *fields, struct vane_error *error)
{
    struct definition_text texts[MAX_FIELDS];
    char numbers[MAX_FIELDS][NUMBER_TEXT];
    const char *key;
    size_t count = 0;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)fields, key, value) {
        if (count == MAX_FIELDS)
            return vane_fail(error, VANE_INVALID, "a %s has no more than %d fields: leave some out", kind->noun, MAX_FIELDS);
        if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value))
            return vane_fail(error, VANE_INVALID, "%.40s is no string, number, true or false: write one of them", key);
        snprintf(numbers[count], NUMBER_TEXT, "%lld", json_integer_value(value));
        texts[count].field = key;
        texts[count].text = json_is_string(value) ? json_string_value(value) : json_is_integer(value) ? numbers[count]
                                                                            : json_is_true(value) ? "yes" : "no";
        count++;
    }
    return definition_add(to, kind->list, texts, count, error);
}

static bool has_address(const struct definition *d, const uint8_t mac[6], size_t but)
{
    uint8_t other[6];

    for (unsigned i = 0; i < d->nics.count; i++) {
        nic_address(d, i, other);
        if (i != but && memcmp(mac, other, sizeof(other)) == 0)
            return true;
    }
    return false;
}

// Places change as NICs come and go, so an address that is made of one is written down.
static int keep_address(struct definition *d, size_t i, unsigned made_of, struct vane_error *error)
{
    char text[20];
    uint8_t mac[6];

    if (((const struct nic *)d->nics.items)[i].mac)
        return 0;
    nic_make_address(d, made_of, mac);
    for (unsigned n = 0; n < MAX_MADE && has_address(d, mac, i); n++)
        nic_make_address(d, n, mac);
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return definition_set_item(d, "nics", i, "mac", text, error);
}

// The definition with the device as its last; `to` is to be freed in any case.
static int plan_attach(struct vaned *v, const struct domain *d, const struct kind *kind, const json_t *fields,
                       struct definition *to, struct vane_error *error)
{
    int rc = definition_copy(&d->def, to, error);

    if (rc == 0)
        rc = add_item(to, kind, fields, error);
    if (rc == 0 && kind->host == HOST_NIC)
        rc = keep_address(to, to->nics.count - 1, (unsigned)to->nics.count - 1, error);
    if (rc == 0)
        rc = definition_check(to, error);
    if (rc == 0)
        rc = devices_check(to, error);
    return rc ? rc : devices_check_others(v, to, error);
}

// The other NICs keep the addresses that they have.
static int plan_detach(const struct domain *d, const struct kind *kind, size_t i, struct definition *to, struct vane_error *error)
{
    int rc = definition_copy(&d->def, to, error);

    for (size_t k = i + 1; kind->host == HOST_NIC && k < to->nics.count && rc == 0; k++)
        rc = keep_address(to, k, (unsigned)k, error);
    if (rc == 0)
        definition_remove(to, kind->list, i);
    return rc;
}

// `to` becomes the domain's definition, on disk too, and the old one is to be freed; or nothing.
static int put_in_force(struct vaned *v, struct domain *d, struct definition *to, struct vane_error *error)
{
    struct domain trial = { .def = *to, .is_persistent = d->is_persistent };
    int rc = domain_save(v, &trial, error);

    if (rc)
        return rc;
    *to = d->def;
    d->def = trial.def;
    if (!d->is_persistent && d->phase != PHASE_OFF)
        rc = domain_save_phase(v, d, d->phase, error);      // a transient one's definition lies beside its phase
    if (rc) {
        d->def = *to;
        *to = trial.def;
    }
    return rc;
}

// Its place in the definition, by its name, or a NIC's by that place; the list's length: it is not there.
static size_t place_of(const struct domain *d, const struct kind *kind, const char *word)
{
    size_t count = kind->count(&d->def), digits = strspn(word, "0123456789");
    char name[BACKEND_NAME];

    if (kind->host == HOST_NIC && digits && digits < 4 && !word[digits] && strtoul(word, NULL, 10) < count)
        return strtoul(word, NULL, 10);
    for (size_t i = 0; i < count; i++) {
        kind->name(&d->def, i, name);
        if (strcasecmp(name, word) == 0)
            return i;
    }
    return count;
}

static int leave_definition(struct vaned *v, struct domain *d, const struct kind *kind, const char *name, struct vane_error *error)
{
    size_t i = place_of(d, kind, name);
    struct definition to = { 0 };
    int rc = 0;

    if (i < kind->count(&d->def)) {
        rc = plan_detach(d, kind, i, &to, error);
        if (rc == 0)
            rc = put_in_force(v, d, &to, error);
        definition_fini(&to);
    }
    return rc;
}

static int join_definition(struct vaned *v, struct domain *d, const struct kind *kind, const json_t *fields,
                           struct vane_error *error)
{
    struct definition to = { 0 };
    int rc = plan_attach(v, d, kind, fields, &to, error);

    if (rc == 0)
        rc = put_in_force(v, d, &to, error);
    definition_fini(&to);
    return rc;
}

bool plug_is_known(const struct domain *d, const struct kind *kind, const char *name)
{
    return place_of(d, kind, name) < kind->count(&d->def);
}

void plug_left(struct vaned *v, struct domain *d, const struct kind *kind, const char *name)
{
    struct vane_error error;

    if (leave_definition(v, d, kind, name, &error))
        log_line("%s: %s", d->def.name, error.text);
}

void plug_defined(struct vaned *v, struct domain *d)
{
    struct vane_error error;

    for (struct backend *b = d->backends; b; b = b->next)
        if (b->mark == BACKEND_LEAVES && backend_mark(v, d, b, BACKEND_LEAVES_LIVE, &error))
            log_line("%s: %s", d->def.name, error.text);
}

static void tell(struct vaned *v, const struct domain *d, const struct kind *kind, const char *name, const char *event)
{
    char text[60];

    snprintf(text, sizeof(text), "%s %s", kind->noun, name);
    event_tell(v, d, event, text);
}

// --- Who waits

static int check_state(const struct domain *d, struct vane_error *error)
{
    if (d->phase != PHASE_OFF && d->phase != PHASE_RUNNING)
        return vane_fail(error, VANE_STATE, "%s is %s: wait until it runs or is off", d->def.name, phase_names[d->phase]);
    if (d->plug)
        return vane_fail(error, VANE_STATE, "%s %s of %s is being %s: wait until that is done", d->plug->kind->noun, d->plug->name,
                         d->def.name, d->plug->fields ? "attached" : "detached");
    return 0;
}

static int wait_for(struct domain *d, const struct kind *kind, const char *name, json_t *fields, struct vane_error *error)
{
    d->plug = calloc(1, sizeof(*d->plug));
    if (!d->plug)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for another device");
    *d->plug = (struct plug){ .kind = kind, .fields = json_incref(fields), .end_ms = now_ms() + LEAVE_MS };
    snprintf(d->plug->name, sizeof(d->plug->name), "%s", name);
    return 0;
}

static void forget(struct domain *d)
{
    json_decref(d->plug->fields);
    free(d->plug);
    d->plug = NULL;
}

static void be_done(struct vaned *v, struct domain *d, int rc, const struct vane_error *error)
{
    forget(d);
    http_plug_over(v, d->def.uuid, rc, error);
}

// --- Attaching

// All that is there of the device: the process, the nodes, the folder, in the order in which each may be left. What cannot be taken
// back now is by plug_undo().
static void take_back(struct vaned *v, struct domain *d, struct backend *b)
{
    struct vane_error error;

    backend_kill(v, d, b);
    if (host_detach(v->host, d->id, b->kind->host, b->number, &error)) {
        log_line("%s: what was made of %s is not all gone: %s", d->def.name, b->name, error.text);
        b->again_ms = now_ms() + AGAIN_MS;
    } else {
        backend_end(v, d, b);
    }
}

void plug_undo(struct vaned *v, struct domain *d, struct backend *b)
{
    bool is_awaited = d->plug && d->plug->fields && strcmp(d->plug->name, b->name) == 0;

    if (!is_awaited && host_fd(v->host) >= 0 && now_ms() >= b->again_ms)
        take_back(v, d, b);
}

static int make(struct vaned *v, struct domain *d, const struct kind *kind, const struct definition *to, const char *name,
                struct vane_error *error)
{
    unsigned number, i = (unsigned)kind->count(to) - 1;
    int rc = host_number(v->host, d->id, to, kind->host, i, &number, error);
    struct backend *b;

    if (rc == 0)
        rc = backend_add(v, d, kind, to, i, number, BACKEND_IS_NEW, error);
    if (rc)
        return rc;
    rc = host_attach(v->host, d->id, to, kind->host, i, number, error);
    if (rc == 0)
        rc = backend_serve(v, d, name, error);
    b = backend_named(d, name);
    if (rc)
        take_back(v, d, b);
    return rc;
}

// A NIC has in the definition the address that it has in the guest, whatever other NICs come and go meanwhile.
static int attach_live(struct vaned *v, struct domain *d, const struct kind *kind, json_t *fields, const struct definition *to,
                       struct vane_error *error)
{
    size_t i = kind->count(to) - 1;
    char name[BACKEND_NAME];
    int rc;

    kind->name(to, i, name);
    if (!kind->is_ours(to, i))
        return vane_fail(error, VANE_UNSUPPORTED, "%s %s has the driver kernel, whose devices cannot be attached: leave it out",
                         kind->noun, name);
    if (backend_named(d, name))
        return vane_fail(error, VANE_EXISTS, "%s %s of %s is there already: detach it first", kind->noun, name, d->def.name);
    if (kind->host == HOST_NIC && json_object_set_new(fields, "mac", json_string(name)))
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for another device");
    rc = wait_for(d, kind, name, fields, error);
    if (rc)
        return rc;
    rc = make(v, d, kind, to, name, error);
    if (rc)
        forget(d);
    return rc;
}

int domain_attach(struct vaned *v, struct domain *d, const char *list, json_t *fields, struct vane_error *error)
{
    const struct kind *kind = kind_of(list);
    struct definition to = { 0 };
    int rc = check_state(d, error);

    if (rc)
        return rc;
    if (!json_is_object(fields))
        return vane_fail(error, VANE_INVALID, "the body is not a JSON object without repetitions: write {\"field\": value}");
    rc = plan_attach(v, d, kind, fields, &to, error);
    if (rc == 0 && d->phase == PHASE_RUNNING)
        rc = attach_live(v, d, kind, fields, &to, error);
    else if (rc == 0)
        rc = put_in_force(v, d, &to, error);
    definition_fini(&to);
    return rc;
}

static void look_attached(struct vaned *v, struct domain *d)
{
    struct plug *plug = d->plug;
    struct backend *b = backend_named(d, plug->name);
    struct vane_error error = { 0 };
    int rc = backend_is_served(v, d, b, &error);

    if (rc == 0)
        return;
    rc = rc < 0 ? rc : 0;
    // The definition may be another one than when this began.
    if (rc == 0)
        rc = join_definition(v, d, plug->kind, plug->fields, &error);
    if (rc == 0) {
        rc = backend_mark(v, d, b, BACKEND_STAYS, &error);
        if (rc)
            plug_left(v, d, plug->kind, plug->name);
    }
    if (rc)
        take_back(v, d, b);
    else
        tell(v, d, plug->kind, plug->name, "attached");
    be_done(v, d, rc, &error);
}

// --- Detaching

static bool is_waited_for(const struct domain *d, const char *name)
{
    return d->plug && !d->plug->fields && strcmp(d->plug->name, name) == 0;
}

// Nothing of the guest's is used any more: all of it goes. Where that cannot be, it is tried again.
static int detached(struct vaned *v, struct domain *d, struct backend *b, struct vane_error *error)
{
    const struct kind *kind = b->kind;
    char name[BACKEND_NAME];
    int rc;

    snprintf(name, sizeof(name), "%s", b->name);
    backend_kill(v, d, b);
    rc = host_detach(v->host, d->id, kind->host, b->number, error);
    if (rc)
        return rc;
    if (b->mark == BACKEND_LEAVES)
        rc = leave_definition(v, d, kind, name, error);
    backend_end(v, d, b);
    tell(v, d, kind, name, "detached");
    return rc;
}

// While no store answers nobody can let go of it.
void plug_leave(struct vaned *v, struct domain *d, struct backend *b)
{
    bool gone = false, is_asked = is_waited_for(d, b->name);
    struct vane_error error = { 0 };
    uint64_t now = now_ms();
    int rc = 0;

    // Its process ends by itself when the guest has let go, which is seen at once.
    if (now < b->asked_ms + ASK_MS && !backend_has_ended(b))
        return;
    b->asked_ms = now;
    if (host_fd(v->host) >= 0)
        rc = host_close_device(v->host, d->id, b->kind->host, b->number, &gone, &error);
    if (rc || !gone) {
        backend_look(v, d, b);                  // one that is killed before the guest has let go is started again
        return;
    }
    rc = detached(v, d, b, &error);
    if (rc)
        log_line("%s: %s", d->def.name, error.text);
    if (is_asked)
        be_done(v, d, rc, &error);
}

static int detach_live(struct vaned *v, struct domain *d, struct backend *b, bool force, struct vane_error *error)
{
    int rc = backend_mark(v, d, b, BACKEND_LEAVES, error);

    if (rc == 0 && !force)
        return wait_for(d, b->kind, b->name, NULL, error);
    return rc ? rc : detached(v, d, b, error);
}

int domain_detach(struct vaned *v, struct domain *d, const char *list, const char *word, bool force, struct vane_error *error)
{
    const struct kind *kind = kind_of(list);
    size_t i = place_of(d, kind, word);
    bool is_known = i < kind->count(&d->def);
    char name[BACKEND_NAME];
    struct backend *b;
    int rc = check_state(d, error);

    if (rc)
        return rc;
    snprintf(name, sizeof(name), "%s", word);
    if (is_known)
        kind->name(&d->def, i, name);
    b = d->phase == PHASE_RUNNING ? backend_named(d, name) : NULL;
    if (b && b->kind == kind)
        return detach_live(v, d, b, force, error);
    if (!is_known)
        return vane_fail(error, VANE_NOT_FOUND, "%s has no %s %.40s: `vane show %s -o json` shows those there are", d->def.name,
                         kind->noun, word, d->def.name);
    if (d->phase == PHASE_RUNNING && !kind->is_ours(&d->def, i))
        return vane_fail(error, VANE_UNSUPPORTED, "%s %s has the driver kernel, whose devices cannot be detached: shut %s down first",
                         kind->noun, name, d->def.name);
    rc = leave_definition(v, d, kind, name, error);
    if (rc == 0)
        tell(v, d, kind, name, "detached");
    return rc;
}

// --- What is under way

static void look_detached(struct vaned *v, struct domain *d)
{
    const struct plug *plug = d->plug;
    struct vane_error error;
    int rc;

    if (now_ms() < plug->end_ms)
        return;
    rc = vane_fail(&error, VANE_TIMEOUT, "%s %s: %s has not let go of it within %d s, and it goes as soon as it does: make it, or "
                   "detach it with --force, which costs the guest what it has not written", plug->kind->noun, plug->name,
                   d->def.name, LEAVE_MS / 1000);
    be_done(v, d, rc, &error);
}

void plug_look(struct vaned *v, struct domain *d)
{
    if (d->plug && d->plug->fields)
        look_attached(v, d);
    else if (d->plug)
        look_detached(v, d);
}

void plug_end(struct vaned *v, struct domain *d)
{
    struct vane_error error = { 0 };
    int rc = 0;

    if (d->plug && d->plug->fields)
        rc = vane_fail(&error, VANE_STATE, "%s %s: the guest of %s has ended meanwhile: attach it again", d->plug->kind->noun,
                       d->plug->name, d->def.name);
    if (d->plug)
        be_done(v, d, rc, &error);
}

// The next vaned goes on with what leaves, and takes back what is new.
void plugs_finish(struct vaned *v)
{
    struct vane_error error;

    for (struct domain *d = v->domains; d; d = d->next)
        if (d->plug)
            be_done(v, d, vane_fail(&error, VANE_STATE, "%s %s: vaned was stopped before that was done: ask again when it runs",
                                    d->plug->kind->noun, d->plug->name), &error);
}

// --- Size

static int grow(const char *path, uint64_t size, struct vane_error *error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        rc = vane_fail_errno(error, errno, "opening %s", path);
    else if (!S_ISREG(st.st_mode))
        rc = vane_fail(error, VANE_UNSUPPORTED, "%s is no file: make it larger yourself, the guest sees it within a second", path);
    else if (size < (uint64_t)st.st_size)
        rc = vane_fail(error, VANE_INVALID, "%s has %llu KiB, more than the %llu asked for, and what is behind would be lost: ask for "
                       "more", path, (unsigned long long)st.st_size / 1024, (unsigned long long)size / 1024);
    else if (ftruncate(fd, (off_t)size))
        rc = vane_fail_errno(error, errno, "making %s larger", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

// vane-blk sees by itself that its file has grown, and tells the guest.
int domain_resize(struct vaned *v, struct domain *d, const char *target, uint64_t kib, struct vane_error *error)
{
    const struct kind *kind = kind_of("disks");
    struct backend *b = d->phase == PHASE_RUNNING ? backend_named(d, target) : NULL;
    size_t i = place_of(d, kind, target);
    const struct disk *disk = i < d->def.disks.count ? (const struct disk *)d->def.disks.items + i : NULL;
    char path[BACKEND_WORD] = "";
    int rc;

    if (disk && disk->format != FORMAT_RAW)
        return vane_fail(error, VANE_UNSUPPORTED, "disk %s is of the format qcow2: shut %s down and use `qemu-img resize`", target,
                         d->def.name);
    if (b && b->kind == kind)
        backend_option(v, d, b, "--image", path);           // whatever the definition says since
    else if (disk && (d->phase == PHASE_OFF || disk_is_ours(disk)) && disk->type == DISK_FILE && disk->file)
        snprintf(path, sizeof(path), "%s", disk->file);
    else if (!disk)
        return vane_fail(error, VANE_NOT_FOUND, "%s has no disk %.40s: `vane show %s -o json` shows those there are", d->def.name,
                         target, d->def.name);
    if (path[0] != '/')
        return vane_fail(error, VANE_UNSUPPORTED, "disk %s is no file of ours to serve: make it larger yourself", target);
    rc = grow(path, kib * 1024, error);
    if (rc == 0)
        tell(v, d, kind, target, "resized");
    return rc;
}
