// SPDX-License-Identifier: MIT
// Definitions as wholes: what fields say together, and changes.
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

void definition_fini(struct definition *d)
{
    object_fini(&definition_type, d);
}

int definition_check_size(const char *text, size_t length, struct vane_error *error)
{
    if (length > DEFINITION_MAX_BYTES)
        return vane_fail(error, VANE_INVALID, "the definition has %zu bytes, more than %d: leave something out",
                         length, DEFINITION_MAX_BYTES);
    if (memchr(text, '\0', length))
        return vane_fail(error, VANE_INVALID, "the definition has a zero byte: it must be plain text in UTF-8");
    return 0;
}

int definition_read(struct definition *d, const char *text, size_t length, char **ignored, struct vane_error *error)
{
    size_t at = 0;

    *ignored = NULL;
    while (at < length && isspace((unsigned char)text[at]))
        at++;
    if (at < length && text[at] == '<')
        return definition_read_xml(d, text, length, error);
    if (at < length && text[at] == '{')
        return definition_read_json(d, text, length, error);
    return definition_read_xl(d, text, length, ignored, error);
}

static bool is_given(const struct definition *d, const char *name)
{
    return field_is_given(&definition_type, field_by_json(&definition_type, name), d);
}

// A number and its maximum: who says one means both. libvirt wants to see the maximum.
static void follow(struct definition *d, const char *name, const char *maximum)
{
    const struct field *f = field_by_json(&definition_type, name), *max = field_by_json(&definition_type, maximum);

    if (!is_given(d, name)) {
        *field_number(f, d) = *field_number(max, d);
    } else if (!is_given(d, maximum)) {
        *field_number(max, d) = *field_number(f, d);
        d->object.given |= 1ull << (max - definition_type.fields);
    }
}

int definition_finish(struct definition *d, struct vane_error *error)
{
    struct where where = { .error = error, .path = "the domain" };
    int rc = object_check(&definition_type, d, &where);

    if (rc)
        return rc;
    if (!is_given(d, "memory_kib") && !is_given(d, "max_memory_kib"))
        return refuse_form(&where, "has no memory: say how much, as memory_kib in JSON, <memory> in XML, memory in xl.cfg");
    follow(d, "memory_kib", "max_memory_kib");
    follow(d, "vcpus", "max_vcpus");
    return definition_check(d, error);
}

// What a disk of each type must have, and what it must not.
static int check_disk(const struct disk *disk, const struct where *where)
{
    const char *const sources[] = { disk->file, disk->block, disk->export };
    static const char *const names[] = { "file", "block", "export" }, *const types[] = { "file", "block", "network" };

    for (uint64_t type = 0; type < 3; type++) {
        if (type != disk->type && sources[type])
            return refuse_form(where, "has the %s \"%.80s\", but is of type %s: change its type to %s", names[type],
                               sources[type], types[disk->type], types[type]);
    }
    if (disk->type != DISK_NETWORK && !sources[disk->type] && disk->device == 0)
        return refuse_form(where, "has no %s, which its type needs: name it", names[disk->type]);
    if (disk->type == DISK_NETWORK && !disk->host == !disk->socket)
        return refuse_form(where, "must have one of host and socket: name the server of its export");
    return 0;
}

static int check_disks(const struct definition *d, struct vane_error *error)
{
    const struct disk *disks = d->disks.items;

    for (size_t i = 0; i < d->disks.count; i++) {
        struct where where = { .error = error };
        int rc;

        snprintf(where.path, sizeof(where.path), "disk %s", disks[i].target);
        rc = check_disk(&disks[i], &where);
        for (size_t k = 0; k < i && rc == 0; k++)
            if (strcmp(disks[i].target, disks[k].target) == 0)
                rc = refuse_form(&where, "is there twice: give one of them another target");
        if (rc)
            return rc;
    }
    return 0;
}

static int check_nics(const struct definition *d, struct vane_error *error)
{
    const struct nic *nics = d->nics.items;

    for (size_t i = 0; i < d->nics.count; i++) {
        struct where where = { .error = error };

        snprintf(where.path, sizeof(where.path), "nic %zu", i);
        if (nics[i].type == NIC_NETWORK && !nics[i].network)
            return refuse_form(&where, "has no network, which its type needs: name it");
        for (size_t k = 0; k < i; k++)
            if (nics[i].mac && nics[k].mac && strcmp(nics[i].mac, nics[k].mac) == 0)
                return refuse_form(&where, "has the mac %s, as nic %zu has: change one of them", nics[i].mac, k);
        for (size_t k = 0; k < i; k++)
            if (nics[i].device && nics[k].device && strcmp(nics[i].device, nics[k].device) == 0)
                return refuse_form(&where, "has the device %s, as nic %zu has: change one of them", nics[i].device, k);
    }
    return 0;
}

static int check_pins(const struct definition *d, struct vane_error *error)
{
    const struct pin *pins = d->pins.items;
    struct where where = { .error = error, .path = "the domain" };

    for (size_t i = 0; i < d->pins.count; i++) {
        if (pins[i].vcpu >= d->max_vcpus)
            return refuse_form(&where, "pins vcpu %" PRIu64 ", but has %" PRIu64 ": pin one below that", pins[i].vcpu,
                               d->max_vcpus);
        for (size_t k = 0; k < i; k++)
            if (pins[i].vcpu == pins[k].vcpu)
                return refuse_form(&where, "pins vcpu %" PRIu64 " twice: leave one out", pins[i].vcpu);
    }
    return 0;
}

int definition_check(const struct definition *d, struct vane_error *error)
{
    struct where where = { .error = error, .path = "the domain" };
    int rc;

    if (d->memory_kib > d->max_memory_kib)
        return refuse_form(&where, "starts with %" PRIu64 " KiB of memory, above its maximum of %" PRIu64
                           " KiB: lower the one or raise the other", d->memory_kib, d->max_memory_kib);
    if (d->vcpus > d->max_vcpus)
        return refuse_form(&where, "starts with %" PRIu64 " vcpus, above its maximum of %" PRIu64
                           ": lower the one or raise the other", d->vcpus, d->max_vcpus);
    if (d->cap > d->max_vcpus * 100)
        return refuse_form(&where, "has a cap of %" PRIu64 ", above the %" PRIu64 " that its vcpus can use: lower it",
                           d->cap, d->max_vcpus * 100);
    if (!d->kernel && (d->initrd || d->cmdline))
        return refuse_form(&where, "has an initrd or a command line, but no kernel for them: name one");
    rc = check_disks(d, error);
    if (rc == 0)
        rc = check_nics(d, error);
    return rc ? rc : check_pins(d, error);
}

int definition_copy(const struct definition *from, struct definition *to, struct vane_error *error)
{
    char *text = definition_write_json(from);
    int rc;

    object_init(&definition_type, to);
    rc = text ? definition_read_json(to, text, strlen(text), error) : no_memory(error);

    free(text);
    return rc;
}

// A refusal leaves everything as it was.
static int set_field(const struct type *type, void *of, const char *name, const char *text, struct vane_error *error)
{
    const struct field *f = field_by_json(type, name);
    struct object *object = of;
    uint64_t given = object->given;
    struct where where = { .error = error };
    char *old;
    int rc;

    if (!f || f->type == FIELD_LIST)
        return vane_fail(error, VANE_INVALID, "%.60s is no field that can be set: see the schema for those", name);
    snprintf(where.path, sizeof(where.path), "%s", name);
    old = f->type == FIELD_TEXT ? *field_text(f, of) : NULL;
    object->given &= ~(1ull << (f - type->fields));
    rc = field_set(type, f, of, text, "KiB", &where);
    if (rc)
        object->given = given;
    else
        free(old);
    return rc;
}

int definition_set(struct definition *d, const char *name, const char *text, struct vane_error *error)
{
    return set_field(&definition_type, d, name, text, error);
}

int definition_set_item(struct definition *d, const char *list, size_t i, const char *field, const char *text,
                        struct vane_error *error)
{
    const struct field *f = field_by_json(&definition_type, list);

    return set_field(f->items, list_item(f, field_list(f, d), i), field, text, error);
}

int definition_add(struct definition *d, const char *list, const struct definition_text *texts, size_t count,
                   struct vane_error *error)
{
    const struct field *f = field_by_json(&definition_type, list);
    struct where where = { .error = error };
    void *item;
    int rc = 0;

    snprintf(where.path, sizeof(where.path), "the %s", f->items->name);
    item = list_add(f, d, &where);
    if (!item)
        return -(int)error->kind;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = set_field(f->items, item, texts[i].field, texts[i].text, error);
    return rc ? rc : object_check(f->items, item, &where);
}

void definition_remove(struct definition *d, const char *list, size_t i)
{
    const struct field *f = field_by_json(&definition_type, list);
    struct list *of = field_list(f, d);
    char *item = list_item(f, of, i);

    object_fini(f->items, item);
    of->count--;
    memmove(item, item + f->items->size, (of->count - i) * f->items->size);
}
