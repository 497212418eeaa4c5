// SPDX-License-Identifier: MIT
// The table: every field of a domain, where it stands in XML, JSON and xl.cfg, and what it may be.
#include "fields.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_cpus(const char *text)
{
    static uint8_t bits[4096 / 8];

    return cpus_parse(text, bits, 4096);
}

// A domain is asked for by its name or its UUID, so no name may be another one's UUID.
static bool is_no_uuid(const char *text)
{
    return strlen(text) != 36 || text[strspn(text, "0123456789abcdefABCDEF-")] != '\0';
}

static bool is_address(const char *text)
{
    uint8_t bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static const struct rule
    own_name_rule = { "^[A-Za-z0-9][A-Za-z0-9_.+-]*$", "use letters, digits and _ . + -, a letter or digit first, and no UUID",
                      is_no_uuid },
    name_rule = { "^[A-Za-z0-9][A-Za-z0-9_.+-]*$", "use letters, digits and _ . + -, a letter or digit first", NULL },
    uuid_rule = { "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
                  "write it as 01234567-89ab-cdef-0123-456789abcdef, or leave it out to get one", NULL },
    path_rule = { "^/.*$", "write the whole path, from / on", NULL },
    cpus_rule = { "^[0-9][0-9,^-]*$", "write a list of CPUs below 4096, as 0-3,^2,8", is_cpus },
    target_rule = { "^(xvd|sd|hd|vd)[a-z]{1,2}[0-9]{0,2}$", "name it as the guest shall, as xvda", NULL },
    mac_rule = { "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$", "write an address of one card, as 00:16:3e:01:02:03", NULL },
    device_rule = { "^[A-Za-z0-9_.-]{1,15}$", "use at most 15 letters, digits and _ . -", NULL },
    word_rule = { "^[^ ]+$", "leave out blanks", NULL },
    ip_rule = { "^[0-9a-fA-F.:]+$", "write an IPv4 or IPv6 address", is_address };

#define CHOICES(...) (const char *const[]){ __VA_ARGS__, NULL }

// Names at the end of `driver` are those of other tools; all of them mean our own.
static const char *const drivers[] = { "vane", "kernel", "qemu", "phy", "qdisk", "file", "tap", NULL };
static const char *const ends[] = { "destroy", "restart", "preserve", NULL };

#define AT(member) .at = offsetof(struct disk, member)
static const struct field disk_fields[] = {
    { .json = "type", .xml = "@type", AT(type), .type = FIELD_CHOICE, .choices = CHOICES("file", "block", "network"),
      .help = "what is behind it: a file, a block device, or an NBD server" },
    { .json = "device", .xml = "@device", .xl = "devtype", AT(device), .type = FIELD_CHOICE,
      .choices = CHOICES("disk", "cdrom"), .help = "what the guest sees" },
    { .json = "driver", .xml = "driver/@name", .xl = "backendtype", AT(driver), .type = FIELD_CHOICE,
      .choices = drivers, .help = "who serves it: our back end, or the kernel's" },
    { .json = "format", .xml = "driver/@type", .xl = "format", AT(format), .type = FIELD_CHOICE,
      .choices = CHOICES("raw", "qcow2"), .help = "how the image is written" },
    { .json = "discard", .xml = "driver/@discard", AT(discard), .type = FIELD_CHOICE,
      .choices = CHOICES("unmap", "ignore"), .help = "what becomes of blocks that the guest gives up" },
    { .json = "file", .xml = "source/@file", AT(file), .max = 4095, .rule = &path_rule, .help = "the image of type file" },
    { .json = "block", .xml = "source/@dev", AT(block), .max = 4095, .rule = &path_rule,
      .help = "the block device of type block" },
    { .json = "protocol", .xml = "source/@protocol", AT(protocol), .type = FIELD_CHOICE, .choices = CHOICES("nbd"),
      .help = "how the server of type network is spoken to" },
    { .json = "export", .xml = "source/@name", AT(export), .max = 4095, .help = "the server's name of the disk" },
    { .json = "host", .xml = "source/host/@name", AT(host), .max = 255, .rule = &word_rule, .help = "the server" },
    { .json = "port", .xml = "source/host/@port", AT(port), .type = FIELD_NUMBER, .min = 1, .max = 65535,
      .fallback = 10809, .help = "its TCP port" },
    { .json = "socket", .xml = "source/host/@socket", AT(socket), .max = 107, .rule = &path_rule,
      .help = "its Unix socket, in place of host and port" },
    { .json = "tls", .xml = "source/@tls", AT(tls), .type = FIELD_FLAG,
      .help = "whether the server is spoken to by TLS only, with the certificates in /etc/pki/libnbd" },
    { .json = "target", .xml = "target/@dev", .xl = "vdev", AT(target), .needed = true, .max = 7, .rule = &target_rule,
      .help = "its name in the guest" },
    { .xml = "target/@bus", .type = FIELD_FIXED, .choices = CHOICES("xen") },
    { .json = "readonly", .xml = "readonly", AT(readonly), .type = FIELD_FLAG, .help = "whether writing is refused" },
    { .json = "shareable", .xml = "shareable", AT(shareable), .type = FIELD_FLAG,
      .help = "whether several guests may have it" },
    { .json = "bytes_limit", .xml = "iotune/total_bytes_sec", AT(bytes_limit), .type = FIELD_NUMBER,
      .max = 1000000000000, .help = "bytes a second, 0 for no limit" },
    { .json = "iops_limit", .xml = "iotune/total_iops_sec", AT(iops_limit), .type = FIELD_NUMBER,
      .max = 1000000000, .help = "requests a second, 0 for no limit" },
};

#undef AT
#define AT(member) .at = offsetof(struct nic, member)
static const struct field nic_fields[] = {
    { .json = "type", .xml = "@type", AT(type), .type = FIELD_CHOICE, .choices = CHOICES("bridge", "network", "ethernet"),
      .help = "what it is plugged into: a bridge, a network by name, or nothing" },
    { .json = "mac", .xml = "mac/@address", .xl = "mac", AT(mac), .max = 17, .lower = true, .rule = &mac_rule,
      .help = "its address" },
    { .json = "bridge", .xml = "source/@bridge", .xl = "bridge", AT(bridge), .max = 15, .rule = &device_rule,
      .help = "the bridge of type bridge" },
    { .json = "network", .xml = "source/@network", AT(network), .max = 64, .rule = &name_rule,
      .help = "the network of type network" },
    { .json = "device", .xml = "target/@dev", .xl = "vifname", AT(device), .max = 15, .rule = &device_rule,
      .help = "its name in the control domain" },
    { .json = "driver", .xml = "driver/@name", AT(driver), .type = FIELD_CHOICE, .choices = drivers,
      .help = "who serves it: our back end, or the kernel's" },
    { .json = "queues", .xml = "driver/@queues", AT(queues), .type = FIELD_NUMBER, .min = 1, .max = 16, .fallback = 1,
      .help = "pairs of rings" },
    { .json = "mtu", .xml = "mtu/@size", .xl = "mtu", AT(mtu), .type = FIELD_NUMBER, .min = 68, .max = 65521,
      .fallback = 1500, .help = "the largest packet" },
    { .json = "vlan", .xml = "vlan/tag/@id", AT(vlan), .type = FIELD_NUMBER, .max = 4094,
      .help = "the bridge's VLAN that it is on, untagged; 0 for what the bridge says" },
    { .json = "kib_limit", .xml = "bandwidth/outbound/@average", .xl = "rate", AT(kib_limit), .type = FIELD_NUMBER,
      .max = 1000000000, .help = "KiB that the guest may send a second, 0 for no limit" },
    { .json = "packets_limit", .xml = "p:limit/@packets", AT(packets_limit), .type = FIELD_NUMBER, .max = 1000000000,
      .help = "packets that the guest may send a second, 0 for no limit" },
    { .json = "ip", .xml = "ip/@address", .xl = "ip", AT(ip), .max = 45, .rule = &ip_rule,
      .help = "the only address that it may use" },
    { .json = "link", .xml = "link/@state", AT(link_down), .type = FIELD_CHOICE, .choices = CHOICES("up", "down"),
      .help = "whether the cable is in" },
};

#undef AT
#define AT(member) .at = offsetof(struct console, member)
static const struct field console_fields[] = {
    { .xml = "@type", .type = FIELD_FIXED, .choices = CHOICES("pty") },
    { .xml = "@tty", .type = FIELD_IGNORED },
    { .xml = "source/@path", .type = FIELD_IGNORED },
    { .xml = "target/@type", .type = FIELD_FIXED, .choices = CHOICES("xen", "serial") },
    { .json = "port", .xml = "target/@port", AT(port), .type = FIELD_NUMBER, .max = 0, .help = "its number" },
};

#undef AT
#define AT(member) .at = offsetof(struct pin, member)
static const struct field pin_fields[] = {
    { .json = "vcpu", .xml = "@vcpu", AT(vcpu), .type = FIELD_NUMBER, .needed = true, .max = 255, .help = "the vCPU" },
    { .json = "cpus", .xml = "@cpuset", AT(cpus), .needed = true, .max = 1024, .rule = &cpus_rule,
      .help = "the CPUs that it may run on" },
};

#define TYPE(of) { #of, sizeof(struct of), of##_fields, sizeof(of##_fields) / sizeof(of##_fields[0]) }
static const struct type disk_type = TYPE(disk), nic_type = TYPE(nic), console_type = TYPE(console), pin_type = TYPE(pin);

#define MIB 1024ull
#define TIB (1024ull * 1024 * 1024)

#undef AT
#define AT(member) .at = offsetof(struct definition, member)
#define OURS "metadata/p:guest/"
static const struct field definition_fields[] = {
    { .xml = "@type", .type = FIELD_FIXED, .choices = CHOICES("xen") },
    { .xml = "@id", .type = FIELD_IGNORED },
    { .xl = "type", .type = FIELD_FIXED, .choices = CHOICES("pv") },
    { .xl = "builder", .type = FIELD_FIXED, .choices = CHOICES("generic", "linux") },
    { .json = "name", .xml = "name", .xl = "name", AT(name), .needed = true, .max = DEFINITION_NAME_SIZE - 1,
      .rule = &own_name_rule, .help = "the domain's name on this host" },
    { .json = "uuid", .xml = "uuid", .xl = "uuid", AT(uuid), .max = 36, .lower = true, .rule = &uuid_rule,
      .help = "the domain's name in the world" },
    { .json = "title", .xml = "title", AT(title), .max = 256, .help = "a line for people" },
    { .json = "description", .xml = "description", AT(description), .max = 65536, .help = "a text for people" },
    { .json = "max_memory_kib", .xml = "memory", .xl = "maxmem", AT(max_memory_kib), .type = FIELD_SIZE,
      .min = 4 * MIB, .max = 16 * TIB, .help = "what it may grow to, in KiB" },
    { .json = "memory_kib", .xml = "currentMemory", .xl = "memory", AT(memory_kib), .type = FIELD_SIZE,
      .min = 4 * MIB, .max = 16 * TIB, .help = "what it starts with, in KiB" },
    { .json = "max_vcpus", .xml = "vcpu", .xl = "maxvcpus", AT(max_vcpus), .type = FIELD_NUMBER, .min = 1, .max = 256,
      .fallback = 1, .help = "how many vCPUs it may have" },
    { .json = "vcpus", .xml = "vcpu/@current", .xl = "vcpus", AT(vcpus), .type = FIELD_NUMBER, .min = 1, .max = 256,
      .fallback = 1, .help = "how many vCPUs it starts with" },
    { .json = "affinity", .xml = "vcpu/@cpuset", .xl = "cpus", AT(affinity), .max = 1024, .rule = &cpus_rule,
      .help = "the CPUs that its vCPUs may run on" },
    { .json = "weight", .xml = "cputune/shares", .xl = "cpu_weight", AT(weight), .type = FIELD_NUMBER, .min = 1,
      .max = 65535, .fallback = 256, .help = "its share of busy CPUs, beside others'" },
    { .json = "pins", .xml = "cputune/vcpupin", AT(pins), .type = FIELD_LIST, .max = 256, .items = &pin_type,
      .help = "vCPUs with CPUs of their own" },
    { .xml = "os/type", .type = FIELD_FIXED, .choices = CHOICES("linux", "xen") },
    { .xml = "os/type/@arch", .type = FIELD_FIXED, .choices = CHOICES("x86_64") },
    { .xml = "os/type/@machine", .type = FIELD_FIXED, .choices = CHOICES("xenpv") },
    { .json = "kernel", .xml = "os/kernel", .xl = "kernel", AT(kernel), .max = 4095, .rule = &path_rule,
      .help = "the kernel, a file of the control domain" },
    { .json = "initrd", .xml = "os/initrd", .xl = "ramdisk", AT(initrd), .max = 4095, .rule = &path_rule,
      .help = "its initramfs" },
    { .json = "cmdline", .xml = "os/cmdline", .xl = "cmdline", AT(cmdline), .max = 1023, .help = "its command line" },
    { .json = "bootloader", .xml = "bootloader", .xl = "bootloader", AT(bootloader), .max = 4095,
      .help = "what finds a kernel in the guest's disk" },
    { .json = "on_poweroff", .xml = "on_poweroff", .xl = "on_poweroff", AT(on_poweroff), .type = FIELD_CHOICE,
      .choices = ends, .help = "what becomes of it when it powers off" },
    { .json = "on_reboot", .xml = "on_reboot", .xl = "on_reboot", AT(on_reboot), .type = FIELD_CHOICE, .choices = ends,
      .fallback = ON_RESTART, .help = "what becomes of it when it reboots" },
    { .json = "on_crash", .xml = "on_crash", .xl = "on_crash", AT(on_crash), .type = FIELD_CHOICE, .choices = ends,
      .help = "what becomes of it when it crashes" },
    { .json = "disks", .xml = "devices/disk", .xl = "disk", AT(disks), .type = FIELD_LIST, .max = 64, .items = &disk_type,
      .help = "its disks" },
    { .json = "nics", .xml = "devices/interface", .xl = "vif", AT(nics), .type = FIELD_LIST, .max = 16,
      .items = &nic_type, .help = "its network cards" },
    { .json = "consoles", .xml = "devices/console", AT(consoles), .type = FIELD_LIST, .max = 1, .items = &console_type,
      .help = "its consoles; it has one, named or not" },
    { .json = "cap", .xml = OURS "@cap", .xl = "cap", AT(cap), .type = FIELD_NUMBER, .max = 25600,
      .help = "the most CPU time it gets, in per cent of one CPU; 0 for no limit" },
    { .json = "autostart", .xml = OURS "@autostart", AT(autostart), .type = FIELD_FLAG,
      .help = "whether it starts with the host" },
    { .json = "start_order", .xml = OURS "@start_order", AT(start_order), .type = FIELD_NUMBER, .max = 999,
      .fallback = 500, .help = "lower numbers start first" },
    { .json = "ready_when", .xml = OURS "@ready_when", AT(ready_when), .max = 64,
      .help = "words on its console that say that it is ready: the next one to start with the host waits for them" },
    { .json = "ready_seconds", .xml = OURS "@ready_seconds", AT(ready_seconds), .type = FIELD_NUMBER, .min = 1, .max = 3600,
      .fallback = 60, .help = "how long it is waited for" },
};

const struct type definition_type = TYPE(definition);

_Static_assert(sizeof(definition_fields) / sizeof(definition_fields[0]) <= 64, "a bit for each field");
_Static_assert(sizeof(disk_fields) / sizeof(disk_fields[0]) <= 64, "a bit for each field");

static const struct field *find(const struct type *type, const char *name, size_t column)
{
    for (size_t i = 0; i < type->nr_fields; i++) {
        const char *const *place = (const char *const *)((uintptr_t)&type->fields[i] + column);

        if (*place && strcmp(*place, name) == 0)
            return &type->fields[i];
    }
    return NULL;
}

const struct field *field_by_json(const struct type *type, const char *name)
{
    return find(type, name, offsetof(struct field, json));
}

const struct field *field_by_xml(const struct type *type, const char *path)
{
    return find(type, path, offsetof(struct field, xml));
}

const struct field *field_by_xl(const struct type *type, const char *key)
{
    return find(type, key, offsetof(struct field, xl));
}

bool type_has_below(const struct type *type, const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < type->nr_fields; i++) {
        const char *xml = type->fields[i].xml;

        if (xml && strncmp(xml, path, length) == 0 && (xml[length] == '/' || length == 0))
            return true;
    }
    return false;
}
