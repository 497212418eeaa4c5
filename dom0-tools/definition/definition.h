// SPDX-License-Identifier: MIT
// The one model of a domain as its owner describes it. It is read from libvirt's domain XML, from JSON and
// from xl.cfg files, and written as XML and JSON. What can be said, where it stands in each of the three,
// and what is allowed is one table (fields.c): readers, writers and the JSON Schema follow it.
//
// Readers take what strangers wrote: a size limit comes first, nothing refers outside the text, and a
// refusal is a sentence with line, place, value, limit and cure. Elements and attributes of the XML that
// the model does not know are kept where they stood, and given back in XML and in JSON.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/error.h"

enum {
    DEFINITION_MAX_BYTES = 1 << 20,
    DEFINITION_NAME_SIZE = 65,          // with its zero byte
};

struct list {
    void *items;
    size_t count;
};

// What the model does not know: an element as text, or an attribute.
struct extra {
    char *in;                           // the element that it stands in; "" for the outermost
    char *name, *value;                 // an attribute, if there is a name
};

// The beginning of everything that has fields.
struct object {
    uint64_t given;                     // bit of each field that was said; the others hold defaults
    struct list extras;                 // of struct extra
};

enum { DISK_FILE, DISK_BLOCK, DISK_NETWORK };
enum { DRIVER_VANE, DRIVER_KERNEL };    // what comes behind these is other tools' names for the first
enum { FORMAT_RAW, FORMAT_QCOW2 };
enum { NIC_BRIDGE, NIC_NETWORK, NIC_ETHERNET };
enum { ON_DESTROY, ON_RESTART, ON_PRESERVE };

struct disk {
    struct object object;
    uint64_t type, device, driver, format, discard, protocol, port, tls, readonly, shareable;
    uint64_t bytes_limit, iops_limit;   // a second; 0 is none
    char *file, *block, *export, *host, *socket, *target;
};

struct nic {
    struct object object;
    uint64_t type, driver, queues, mtu, vlan, link_down;
    uint64_t kib_limit, packets_limit;  // from the guest, a second; 0 is none
    char *mac, *bridge, *network, *device, *ip;
};

struct console {
    struct object object;
    uint64_t port;
};

struct pin {
    struct object object;
    uint64_t vcpu;
    char *cpus;
};

struct definition {
    struct object object;
    char *name, *uuid, *title, *description;
    uint64_t memory_kib, max_memory_kib, vcpus, max_vcpus;
    char *affinity;
    uint64_t weight, cap;               // cap: per cent of one CPU, 0 is none
    char *kernel, *initrd, *cmdline, *bootloader;
    uint64_t on_poweroff, on_reboot, on_crash;
    uint64_t autostart, start_order, ready_seconds;
    char *ready_when;
    struct list pins, disks, nics, consoles;
};

// Readers fill a definition that the caller passes in any state, and that definition_fini() must follow
// whatever they return: 0, or a negative error that is described in *error.
int definition_read_xml(struct definition *d, const char *text, size_t length, struct vane_error *error);
int definition_read_json(struct definition *d, const char *text, size_t length, struct vane_error *error);
// What an xl.cfg says that has no effect here is told in *ignored, a text of lines, to free(); or NULL.
int definition_read_xl(struct definition *d, const char *text, size_t length, char **ignored, struct vane_error *error);
// Chooses by the first character: <, { or another.
int definition_read(struct definition *d, const char *text, size_t length, char **ignored, struct vane_error *error);
void definition_fini(struct definition *d);

// Texts to free(), closed by a line feed; NULL when there is no memory.
char *definition_write_xml(const struct definition *d);
char *definition_write_json(const struct definition *d);
// The JSON Schema of what definition_read_json() takes.
char *definition_schema(void);

// What fields say together: memory below its maximum, no target twice. The readers call it; so does who
// changes a definition by hand.
int definition_check(const struct definition *d, struct vane_error *error);
// One that is to be freed whatever is returned.
int definition_copy(const struct definition *from, struct definition *to, struct vane_error *error);
// Changes one field by its JSON name, from text. Then definition_check() must follow.
int definition_set(struct definition *d, const char *name, const char *text, struct vane_error *error);

// The same for an item of a list ("disks", "nics"), which must be there. One that is added has all the fields that it needs; after a
// failure the definition is only to be freed.
struct definition_text { const char *field, *text; };
int definition_add(struct definition *d, const char *list, const struct definition_text *texts, size_t count,
                   struct vane_error *error);
int definition_set_item(struct definition *d, const char *list, size_t i, const char *field, const char *text,
                        struct vane_error *error);
void definition_remove(struct definition *d, const char *list, size_t i);

// CPUs of a list like "0-3,^2,8" as a bitmap of `nr_cpus` bits; false if it is not such a list, names none,
// or names one from nr_cpus on.
bool cpus_parse(const char *text, uint8_t *bits, size_t nr_cpus);
void uuid_bytes(const char *text, uint8_t bytes[16]);
