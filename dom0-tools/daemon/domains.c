// SPDX-License-Identifier: MIT
// The domains that there are: a list in memory, and a file for each on disk.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vaned.h"

const char *const phase_names[NR_PHASES] = { "off", "starting", "running", "ending", "kept" };
static const char *const why_names[NR_WHYS] = { [WHY_RESTART] = "restart", [WHY_HOST] = "host" };

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return r;
}

static int write_all(int fd, const char *text)
{
    size_t length = strlen(text);

    while (length) {
        ssize_t r = write(fd, text, length);

        if (r < 0 && errno != EINTR)
            return -1;
        text += r > 0 ? r : 0;
        length -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}

// All of the new text or all of the old, whenever vaned stops; if it `lasts`, also whenever the machine does. What a domain is at
// need not: without the machine there are no domains.
static int write_file(const char *folder, const char *name, const char *text, bool lasts, struct vane_error *error)
{
    char path[512], draft[520];
    int fd, r;

    snprintf(path, sizeof(path), "%.400s/%.90s", folder, name);
    snprintf(draft, sizeof(draft), "%s.new", path);
    fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    r = fd < 0 || write_all(fd, text) || (lasts && fsync(fd)) ? -1 : 0;
    if (fd >= 0 && close(fd))
        r = -1;
    if (r || rename(draft, path) || (lasts && sync_folder(folder))) {
        r = errno;
        unlink(draft);
        return vane_fail_errno(error, r, "the file %s cannot be written", path);
    }
    return 0;
}

static int remove_file(const char *folder, const char *name, struct vane_error *error)
{
    char path[512];

    snprintf(path, sizeof(path), "%.400s/%.90s", folder, name);
    if ((unlink(path) && errno != ENOENT) || sync_folder(folder))
        return vane_fail_errno(error, errno, "the file %s cannot be removed", path);
    return 0;
}

static char *read_file(const char *folder, const char *name, size_t *size)
{
    char path[512], *text = malloc(2 * DEFINITION_MAX_BYTES + 1);
    FILE *f;

    snprintf(path, sizeof(path), "%.400s/%.90s", folder, name);
    f = text ? fopen(path, "re") : NULL;
    if (!f) {
        free(text);
        return NULL;
    }
    *size = fread(text, 1, 2 * DEFINITION_MAX_BYTES, f);
    text[*size] = '\0';
    fclose(f);
    return text;
}

void domain_sort(struct vaned *v, struct domain *d)
{
    struct domain **at = &v->domains;

    while (*at && *at != d)
        at = &(*at)->next;
    if (*at)
        *at = d->next;
    for (at = &v->domains; *at && strcmp((*at)->def.name, d->def.name) < 0; at = &(*at)->next)
        ;
    d->next = *at;
    *at = d;
}

static struct domain *find(struct vaned *v, const char *name, const char *uuid)
{
    for (struct domain *d = v->domains; d; d = d->next)
        if ((name && strcmp(d->def.name, name) == 0) || (uuid && strcmp(d->def.uuid, uuid) == 0))
            return d;
    return NULL;
}

int domain_find(struct vaned *v, const char *name, struct domain **d, struct vane_error *error)
{
    *d = find(v, name, name);
    return *d ? 0 : vane_fail(error, VANE_NOT_FOUND, "there is no domain %.80s: `vane list` shows those there are", name);
}

struct domain *domain_by_uuid(struct vaned *v, const char *uuid)
{
    return find(v, NULL, uuid);
}

static int give_uuid(struct definition *def, struct vane_error *error)
{
    uint8_t b[16];
    char text[40];

    if (def->uuid)
        return 0;
    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return vane_fail_errno(error, errno, "there are no random numbers for a UUID");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
             b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return definition_set(def, "uuid", text, error);
}

int domain_save(struct vaned *v, const struct domain *d, struct vane_error *error)
{
    char name[64], *text;
    int rc;

    if (!d->is_persistent)
        return 0;
    snprintf(name, sizeof(name), "%s.json", d->def.uuid);
    text = definition_write_json(&d->def);
    if (!text)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory to write the definition");
    rc = write_file(v->state, name, text, true, error);
    free(text);
    return rc;
}

int domain_save_phase(struct vaned *v, struct domain *d, enum phase phase, struct vane_error *error)
{
    char name[64], *text, *def = NULL;
    json_t *json;
    int rc;

    snprintf(name, sizeof(name), "%s.run", d->def.uuid);
    if (phase == PHASE_OFF) {
        rc = remove_file(v->run, name, error);
    } else {
        def = d->is_persistent ? NULL : definition_write_json(&d->def);
        json = json_pack("{ss ss* ss*}", "phase", phase_names[phase], "definition", def, "why", why_names[d->why]);
        text = json ? json_dumps(json, 0) : NULL;
        rc = text ? write_file(v->run, name, text, false, error) : vane_fail(error, VANE_NO_RESOURCE, "there is no memory");
        json_decref(json);
        free(text);
        free(def);
    }
    if (rc == 0)
        d->phase = phase;
    return rc;
}

// Not worth a failure: the guest has ended whatever becomes of the note.
void domain_note_end(struct vaned *v, struct domain *d, const char *reason)
{
    char name[64], text[80];
    struct vane_error error;

    snprintf(d->last_end, sizeof(d->last_end), "%s", reason);
    d->last_end_time = time(NULL);
    if (!d->is_persistent)
        return;
    snprintf(name, sizeof(name), "%s.end", d->def.uuid);
    snprintf(text, sizeof(text), "{\"reason\": \"%s\", \"time\": %lld}\n", d->last_end, (long long)d->last_end_time);
    if (write_file(v->state, name, text, true, &error))
        log_line("%s: %s", d->def.name, error.text);
}

static void load_end(struct vaned *v, const char *name)
{
    size_t size = 0;
    char *text = read_file(v->state, name, &size), uuid[37];
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *reason = json_string_value(json_object_get(json, "reason"));
    struct domain *d;

    snprintf(uuid, sizeof(uuid), "%.36s", name);
    d = find(v, NULL, uuid);
    if (d && reason) {
        snprintf(d->last_end, sizeof(d->last_end), "%s", reason);
        d->last_end_time = json_integer_value(json_object_get(json, "time"));
    }
    json_decref(json);
    free(text);
}

static struct domain *add(struct vaned *v, struct definition *def, bool persistent)
{
    struct domain *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->def = *def;
    memset(def, 0, sizeof(*def));
    d->is_persistent = persistent;
    domain_sort(v, d);
    return d;
}

static void drop(struct vaned *v, struct domain *d)
{
    struct domain **at = &v->domains;

    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    backends_forget(d);
    definition_fini(&d->def);
    free(d->talk);
    free(d);
}

static int define_new(struct vaned *v, struct definition *def, bool persistent, struct domain **d, struct vane_error *error)
{
    int rc;

    *d = add(v, def, persistent);
    if (!*d)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for another domain");
    rc = domain_save(v, *d, error);
    if (rc)
        drop(v, *d);
    return rc;
}

// The new one is on disk before it is in force.
static int define_again(struct vaned *v, struct definition *def, bool persistent, struct domain *d, struct vane_error *error)
{
    struct domain trial = { .def = *def, .is_persistent = persistent };
    int rc;

    if (!persistent)
        return vane_fail(error, VANE_EXISTS, "there is a domain %s already: use another name", d->def.name);
    if (d->phase == PHASE_STARTING)
        return vane_fail(error, VANE_STATE, "%s is starting: define it again when it runs", d->def.name);
    rc = domain_save(v, &trial, error);
    if (rc)
        return rc;
    definition_fini(&d->def);
    d->def = *def;
    d->is_persistent = true;
    memset(def, 0, sizeof(*def));
    plug_defined(v, d);
    domain_sort(v, d);
    return 0;
}

int domain_define(struct vaned *v, struct definition *def, bool persistent, struct domain **d, struct vane_error *error)
{
    struct domain *same_name = find(v, def->name, NULL), *same_uuid;
    int rc = 0;

    // Who says no UUID means the domain of this name.
    if (!def->uuid && same_name)
        rc = definition_set(def, "uuid", same_name->def.uuid, error);
    if (rc == 0)
        rc = give_uuid(def, error);
    if (rc)
        return rc;
    same_uuid = find(v, NULL, def->uuid);
    if (same_name && same_name != same_uuid)
        return vane_fail(error, VANE_EXISTS, "the name %s belongs to the domain with the uuid %s: use another name",
                         def->name, same_name->def.uuid);
    if (same_uuid && !same_name)
        return vane_fail(error, VANE_EXISTS, "the uuid %s belongs to the domain %s: leave it out, or rename that domain",
                         def->uuid, same_uuid->def.name);
    *d = same_uuid;
    return *d ? define_again(v, def, persistent, *d, error) : define_new(v, def, persistent, d, error);
}

int domain_forget(struct vaned *v, struct domain *d, struct vane_error *error)
{
    bool was_persistent = d->is_persistent;
    char name[64];
    int rc;

    // What runs keeps its definition beside its phase: there before the other is gone, so it always has one.
    snprintf(name, sizeof(name), "%s.json", d->def.uuid);
    d->is_persistent = false;
    rc = domain_save_phase(v, d, d->phase, error);
    if (rc == 0 && was_persistent)
        rc = remove_file(v->state, name, error);
    d->is_persistent = rc && was_persistent;
    if (rc)
        return rc;
    snprintf(name, sizeof(name), "%s.end", d->def.uuid);
    (void)remove_file(v->state, name, error);
    if (d->phase == PHASE_OFF)
        drop(v, d);
    return 0;
}

static void load_definition(struct vaned *v, const char *name)
{
    struct vane_error error;
    struct definition def = { 0 };
    size_t size = 0;
    char *text = read_file(v->state, name, &size);

    if (!text || definition_read_json(&def, text, size, &error))
        log_line("%s/%s is left alone: %s", v->state, name, text ? error.text : strerror(errno));
    else if (!def.uuid || find(v, def.name, def.uuid))
        log_line("%s/%s is left alone: its name or UUID is missing, or another's", v->state, name);
    else
        (void)add(v, &def, true);
    definition_fini(&def);
    free(text);
}

static void load_run(struct vaned *v, const char *name)
{
    struct vane_error error;
    struct definition def = { 0 };
    size_t size = 0;
    char *text = read_file(v->run, name, &size), uuid[37];
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *phase = json_string_value(json_object_get(json, "phase"));
    const char *own = json_string_value(json_object_get(json, "definition"));
    const char *why = json_string_value(json_object_get(json, "why"));
    struct domain *d;

    snprintf(uuid, sizeof(uuid), "%.36s", name);
    d = find(v, NULL, uuid);
    if (!d && own && definition_read_json(&def, own, strlen(own), &error) == 0 && def.uuid)
        d = add(v, &def, false);
    for (unsigned i = 0; d && phase && i < NR_PHASES; i++)
        if (strcmp(phase_names[i], phase) == 0)
            d->phase = i;
    for (unsigned i = WHY_RESTART; d && why && i < NR_WHYS; i++)
        if (strcmp(why_names[i], why) == 0)
            d->why = i;
    if (!d)
        log_line("%s/%s is left alone: there is no domain for it", v->run, name);
    definition_fini(&def);
    json_decref(json);
    free(text);
}

static int for_files(struct vaned *v, const char *folder, const char *end, void (*load)(struct vaned *, const char *),
                     struct vane_error *error)
{
    DIR *dir;
    struct dirent *entry;

    if (mkdir(folder, 0700) && errno != EEXIST)
        return vane_fail_errno(error, errno, "the folder %s cannot be made", folder);
    dir = opendir(folder);
    if (!dir)
        return vane_fail_errno(error, errno, "the folder %s cannot be read", folder);
    while ((entry = readdir(dir))) {
        size_t length = strlen(entry->d_name);

        if (length == 36 + strlen(end) && strcmp(entry->d_name + 36, end) == 0)
            load(v, entry->d_name);
        else if (length > 40 && strcmp(entry->d_name + length - 4, ".new") == 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);       // a draft of who was killed while writing it
    }
    closedir(dir);
    return 0;
}

int domains_load(struct vaned *v, struct vane_error *error)
{
    int rc = for_files(v, v->state, ".json", load_definition, error);

    if (rc == 0)
        rc = for_files(v, v->state, ".end", load_end, error);
    return rc ? rc : for_files(v, v->run, ".run", load_run, error);
}

void domains_free(struct vaned *v)
{
    while (v->domains)
        drop(v, v->domains);
}
