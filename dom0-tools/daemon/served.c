// SPDX-License-Identifier: MIT
// The kinds of devices that our back ends serve: what the programs are told of one, what they count and learn.
#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "pv-drivers/blk/blk_stats.h"
#include "pv-drivers/net/net_stats.h"

// --- Disks

static const struct disk *disk_at(const struct definition *def, size_t i)
{
    return (const struct disk *)def->disks.items + i;
}

static size_t count_disks(const struct definition *def)
{
    return def->disks.count;
}

static bool is_own_disk(const struct definition *def, size_t i)
{
    return disk_is_ours(disk_at(def, i));
}

static void name_disk(const struct definition *def, size_t i, char name[BACKEND_NAME])
{
    snprintf(name, BACKEND_NAME, "%s", disk_at(def, i)->target);
}

static unsigned number_disk(const struct definition *def, size_t i)
{
    struct vane_error ignored;
    unsigned number = 0;

    (void)device_disk_number(disk_at(def, i)->target, &number, &ignored);      // it has been checked
    return number;
}

// An export's name as a part of a URI (RFC 3986).
static void escape(const char *name, char *text, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    size_t used = 0;

    for (; *name && used + 4 < size; name++)
        used += (size_t)snprintf(text + used, size - used, strchr(plain, *name) ? "%c" : "%%%02X", (unsigned char)*name);
    text[used] = '\0';
}

static void say_image(struct words *w, const struct disk *disk, const char *folder)
{
    const char *scheme = disk->tls ? "nbds" : "nbd";
    char export[BACKEND_WORD], socket[BACKEND_PATH];

    escape(disk->export ? disk->export : "", export, sizeof(export));
    escape(disk->socket ? disk->socket : folder, socket, sizeof(socket));
    if (disk->format != FORMAT_RAW)
        words_say(w, "nbd+unix:///disk?socket=%s/image-at", socket);
    else if (disk->type != DISK_NETWORK)
        words_say(w, "%s", disk->type == DISK_FILE ? disk->file : disk->block);
    else if (disk->socket)
        words_say(w, "%s+unix:///%s?socket=%s", scheme, export, socket);
    else
        words_say(w, strchr(disk->host, ':') ? "%s://[%s]:%" PRIu64 "/%s" : "%s://%s:%" PRIu64 "/%s", scheme, disk->host, disk->port, export);
}

static void say_number(struct words *w, const char *option, uint64_t number)
{
    if (number) {
        words_say(w, "%s", option);
        words_say(w, "%" PRIu64, number);
    }
}

static void say_text(struct words *w, const char *option, const char *text)
{
    words_say(w, "%s", option);
    words_say(w, "%s", text);
}

static bool is_read_only(const struct disk *disk)
{
    return disk->readonly || disk->device;
}

static void say_disk(struct words *w, const struct definition *def, size_t i, unsigned domid, unsigned number, const char *folder)
{
    const struct disk *disk = disk_at(def, i);

    (void)domid;
    (void)number;
    words_say(w, "--image");
    say_image(w, disk, folder);
    if (is_read_only(disk))
        words_say(w, "--read-only");
    say_number(w, "--iops", disk->iops_limit);
    say_number(w, "--bytes", disk->bytes_limit);
}

// The socket is file 3 (images.c). Who has written the image may have named another behind it: that is read as the image says.
static void say_image_server(struct words *w, const struct definition *def, size_t i)
{
    const struct disk *disk = disk_at(def, i);
    bool is_file = disk->type == DISK_FILE;
    json_t *image;
    char *text;

    if (disk->format == FORMAT_RAW)
        return;
    image = json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s}}", "driver", "qcow2", "node-name", "disk", "read-only", is_read_only(disk),
                      "discard", disk->discard ? "ignore" : "unmap", "file", "driver", is_file ? "file" : "host_device", "filename",
                      is_file ? disk->file : disk->block);
    text = image ? json_dumps(image, JSON_COMPACT) : NULL;
    json_decref(image);
    w->failed = !text;
    words_say(w, "qemu-storage-daemon");
    say_text(w, "--blockdev", text ? text : "");
    say_text(w, "--nbd-server", "addr.type=fd,addr.str=3");
    words_say(w, "--export");
    words_say(w, "type=nbd,id=disk,node-name=disk,writable=%s", is_read_only(disk) ? "off" : "on");
    free(text);
}

bool disk_counted(const struct vaned *v, const struct domain *d, const struct disk *disk, struct disk_figures *figures)
{
    uint64_t sum[BLK_NR_STATS] = { 0 };
    struct blk_stats_file file;

    if (!disk_is_ours(disk) || !backend_read_stats(v, d, disk->target, &file, sizeof(file)))
        return false;
    for (unsigned queue = 0; queue < BLK_MAX_QUEUES; queue++)
        for (unsigned i = 0; i < BLK_NR_STATS; i++)
            sum[i] += file.queue[queue].count[i];
    *figures = (struct disk_figures){
        .reads = sum[BLK_STAT_READS], .writes = sum[BLK_STAT_WRITES], .flushes = sum[BLK_STAT_FLUSHES],
        .discards = sum[BLK_STAT_DISCARDS], .read_bytes = sum[BLK_STAT_READ_BYTES], .written_bytes = sum[BLK_STAT_WRITTEN_BYTES],
        .errors = sum[BLK_STAT_ERRORS], .invalid = sum[BLK_STAT_INVALID], .limited = sum[BLK_STAT_LIMITED],
    };
    return true;
}

// --- NICs

static const struct nic *nic_at(const struct definition *def, size_t i)
{
    return (const struct nic *)def->nics.items + i;
}

static size_t count_nics(const struct definition *def)
{
    return def->nics.count;
}

static bool is_own_nic(const struct definition *def, size_t i)
{
    return nic_is_ours(nic_at(def, i));
}

static void name_nic(const struct definition *def, size_t i, char name[BACKEND_NAME])
{
    uint8_t mac[6];

    nic_address(def, (unsigned)i, mac);
    snprintf(name, BACKEND_NAME, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static unsigned number_nic(const struct definition *def, size_t i)
{
    (void)def;
    return (unsigned)i;
}

static void say_nic(struct words *w, const struct definition *def, size_t i, unsigned domid, unsigned number, const char *folder)
{
    const struct nic *nic = nic_at(def, i);
    char mac[BACKEND_NAME];

    (void)folder;
    name_nic(def, i, mac);
    words_say(w, "--tap");
    if (nic_device(nic))
        words_say(w, "%s", nic_device(nic));
    else
        words_say(w, "vif%u.%u", domid, number);        // as the kernel's are called
    say_text(w, "--bridge", nic->bridge);
    say_text(w, "--mac", mac);
    say_number(w, "--queues", nic->queues);
    say_number(w, "--mtu", nic->mtu);
    say_number(w, "--vlan", nic->vlan);
    if (nic->ip)
        say_text(w, "--addresses", nic->ip);
    if (nic->link_down)
        words_say(w, "--down");
    say_number(w, "--bytes", nic->kib_limit * 1024);
    say_number(w, "--packets", nic->packets_limit);
}

bool nic_counted(const struct vaned *v, const struct domain *d, unsigned index, struct nic_figures *figures)
{
    uint64_t sum[NET_NR_STATS] = { 0 };
    struct net_stats_file file;
    char name[BACKEND_NAME];

    name_nic(&d->def, index, name);
    if (!is_own_nic(&d->def, index))
        return host_nic_figures(v->host, d->id, index, figures);
    if (!backend_read_stats(v, d, name, &file.queue, sizeof(file.queue)))      // an older vane-net's file ends there
        return false;
    for (unsigned queue = 0; queue < NET_MAX_QUEUES; queue++)
        for (unsigned i = 0; i < NET_NR_STATS; i++)
            sum[i] += file.queue[queue].count[i];
    *figures = (struct nic_figures){
        .received_bytes = sum[NET_STAT_RX_BYTES], .sent_bytes = sum[NET_STAT_TX_BYTES],
        .received_packets = sum[NET_STAT_RX_PACKETS], .sent_packets = sum[NET_STAT_TX_PACKETS],
        .received_drops = sum[NET_STAT_RX_LOST],
        .sent_drops = sum[NET_STAT_TX_FILTERED] + sum[NET_STAT_TX_INVALID] + sum[NET_STAT_TX_LOST],
        .filtered = sum[NET_STAT_TX_FILTERED], .invalid = sum[NET_STAT_TX_INVALID], .limited = sum[NET_STAT_LIMITED],
    };
    return true;
}

// Once, whichever queues saw it.
static void add_address(json_t *list, const struct net_address *a)
{
    char text[INET6_ADDRSTRLEN];
    json_t *one;
    size_t i;

    if ((a->size != 4 && a->size != 16) || !inet_ntop(a->size == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof(text)))
        return;
    json_array_foreach(list, i, one)
        if (strcmp(json_string_value(one), text) == 0)
            return;
    json_array_append_new(list, json_string(text));
}

// The newest of each queue come first. What is written meanwhile is left out.
static json_t *addresses_of(const struct vaned *v, const struct domain *d, const char *name)
{
    struct net_stats_file before, file, after;
    json_t *list;

    if (!backend_read_stats(v, d, name, &before, sizeof(before)) || !backend_read_stats(v, d, name, &file, sizeof(file)) ||
        !backend_read_stats(v, d, name, &after, sizeof(after)))
        return NULL;
    list = json_array();
    for (unsigned age = 1; age <= NET_MAX_LEARNT; age++)
        for (unsigned queue = 0; queue < NET_MAX_QUEUES; queue++) {
            uint64_t number = before.learnt[queue].done - age;

            if (before.learnt[queue].done >= age && after.learnt[queue].begun <= number + NET_MAX_LEARNT)
                add_address(list, &file.learnt[queue].last[number % NET_MAX_LEARNT]);
        }
    return list;
}

json_t *nic_json(const struct vaned *v, const struct domain *d, unsigned index)
{
    char name[BACKEND_NAME];

    name_nic(&d->def, index, name);
    return json_pack("{si ss so*}", "nic", (int)index, "mac", name, "addresses",
                     is_own_nic(&d->def, index) ? addresses_of(v, d, name) : NULL);
}

const struct kind kinds[NR_KINDS] = {
    { "vane-blk", "disk", "disks", DEVICE_OWN_DISK, HOST_DISK, count_disks, is_own_disk, name_disk, number_disk, say_disk,
      say_image_server },
    { "vane-net", "NIC", "nics", DEVICE_OWN_NIC, HOST_NIC, count_nics, is_own_nic, name_nic, number_nic, say_nic,
      NULL },
};
