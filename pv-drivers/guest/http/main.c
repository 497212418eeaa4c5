// SPDX-License-Identifier: MIT
//
// The HTTP server guest: serves the files of a tar archive that lies on its disk.
//
// Its command line: ip=A.B.C.D/BITS with gw=A.B.C.D, or ip=dhcp (as without); port=N (80); disk=N and
// nic=N for others than the first.
#include "bus/text.h"
#include "guest/clock.h"
#include "guest/guest.h"
#include "guest/hypercall.h"
#include "guest/http/nic.h"
#include "guest/http/server.h"
#include "guest/http/tar.h"
#include <lwip/dhcp.h>
#include <lwip/init.h>
#include <lwip/timeouts.h>
#include "public/vcpu.h"

#define MS 1000000ull
#define WINDOW 64u               // blocks read at once while the archive is looked through
#define DISK_REQUESTS 32u

static struct guest_disk disk;
static struct tar tar;
static struct netif netif;
static bool is_ready;

uint32_t sys_now(void);

uint32_t sys_now(void)
{
    return (uint32_t)(now_ns() / MS);
}

// For port numbers and first sequence numbers: the time stamp counter, stirred. Nothing secret hangs on it.
uint32_t http_random(void)
{
    static uint64_t state;

    state += rdtsc() | 1;
    uint64_t x = state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return (uint32_t)(x >> 32);
}

// --- how long the start takes

// Since the domain was let go, and how much of that it ran.
struct age {
    uint64_t us, ran_us;
};
static struct age began, has_archive;

static struct age age(void)
{
    struct vcpu_runstate_info r = { 0 };

    (void)hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, U64(&r), 0, 0);
    return (struct age){ (r.time[RUNSTATE_running] + r.time[RUNSTATE_runnable] + r.time[RUNSTATE_blocked]) / 1000,
                         r.time[RUNSTATE_running] / 1000 };
}

static void say_ready(void)
{
    struct age now = age();
    char text[IP4ADDR_STRLEN_MAX];

    print("http: ready at %s after %lu us, of which it ran %lu; %lu before the program, %lu until the archive was read\n",
          ip4addr_ntoa_r(netif_ip4_addr(&netif), text, sizeof(text)), now.us, now.ran_us, began.us, has_archive.us);
    is_ready = true;
}

// --- the archive

struct read {
    struct blk_front_io io;
    bool is_done;
    int status;
};

static void done(struct blk_front_io *io, int status)
{
    struct read *w = (struct read *)io;

    w->is_done = true;
    w->status = status;
}

// A back end that went away comes back: the request waits for it.
static int read_disk(uint64_t sector, uint64_t nr_sectors, void *data)
{
    struct read w = { .io = { .operation = BLKIF_OP_READ, .sector = sector, .nr_sectors = nr_sectors,
                              .data = data, .done = done } };

    if (blk_front_submit(&disk.front, 0, &w.io) != 0)
        return BLKIF_RSP_ERROR;
    blk_front_kick(&disk.front, 0);
    while (blk_front_poll(&disk.front, 0) >= 0 && !w.is_done)
        guest_wait(GUEST_NEVER);
    return w.is_done ? w.status : BLKIF_RSP_ERROR;
}

struct window {
    uint64_t first, nr;
    uint8_t *data;
};

static bool read_block(void *arg, uint64_t block, void *data)
{
    struct window *w = arg;

    if (block - w->first >= w->nr) {
        uint64_t left = disk.front.nr_sectors - block;
        w->first = block;
        w->nr = left < WINDOW ? left : WINDOW;
        if (read_disk(block, w->nr, w->data) != BLKIF_RSP_OKAY) {
            w->nr = 0;
            return false;
        }
    }
    memcpy(data, w->data + (block - w->first) * TAR_BLOCK, TAR_BLOCK);
    return true;
}

static void open_archive(const char *command_line)
{
    struct blk_front_config want = { .nr_queues = 1, .nr_requests = DISK_REQUESTS,
                                     .max_segments = SERVER_CHUNK / PAGE_SIZE, .is_persistent = true };
    struct window window = { .data = pages_alloc(WINDOW * TAR_BLOCK / PAGE_SIZE) };

    if (!window.data)
        guest_fail("http: the guest has too little memory: 16 MiB are enough");
    if (!disk_open(&disk, (unsigned)guest_number(command_line, "disk", 255, 0), &want))
        guest_fail("http: without a disk there is nothing to serve");
    if (!tar_index(&tar, disk.front.nr_sectors, read_block, &window))
        guest_fail("http: the disk must hold a tar archive: %s", tar.why);
    pages_free(window.data, WINDOW * TAR_BLOCK / PAGE_SIZE);
    print("http: %u files on the disk, %u left out\n", tar.nr_files, tar.nr_left_out);
}

// --- the address

// DHCP may take a while, and renew what it has.
static void on_status(struct netif *n)
{
    if (!is_ready && netif_is_up(n) && !ip4_addr_isany_val(*netif_ip4_addr(n)))
        say_ready();
}

// "A.B.C.D/BITS" without its end is an address.
static bool parse_network(char *text, ip4_addr_t *address, ip4_addr_t *mask)
{
    char *at = text;
    uint64_t bits;

    while (*at && *at != '/')
        at++;
    if (!*at || !text_parse_u64(at + 1, 32, &bits))
        return false;
    *at = '\0';
    ip4_addr_set_u32(mask, lwip_htonl(bits ? ~0u << (32 - bits) : 0));
    return ip4addr_aton(text, address) == 1;
}

static void set_address(const char *command_line)
{
    char text[32];
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t gateway = { 0 };

    netif_set_status_callback(&netif, on_status);
    if (!guest_option(command_line, "ip", text, sizeof(text)) || memcmp(text, "dhcp", 5) == 0) {
        netif_set_up(&netif);
        if (dhcp_start(&netif) != ERR_OK)
            guest_fail("http: DHCP cannot be used");
        return;
    }
    if (!parse_network(text, &address, &mask))
        guest_fail("http: ip=%s: dhcp or an address like 10.0.0.2/24 is wanted", text);
    if (guest_option(command_line, "gw", text, sizeof(text)) && ip4addr_aton(text, &gateway) != 1)
        guest_fail("http: gw=%s: an address like 10.0.0.1 is wanted", text);
    netif_set_addr(&netif, &address, &mask, &gateway);
    netif_set_up(&netif);
}

// Enter on the console asks how it stands.
static void hear(void)
{
    char typed[16];

    if (console_read(typed, sizeof(typed)))
        server_print();
}

void guest_main(const char *command_line)
{
    began = age();
    lwip_init();
    // The back ends of both are asked before either is waited for.
    if (!nic_begin(&netif, (unsigned)guest_number(command_line, "nic", 255, 0)))
        guest_fail("http: without a network nobody can be served");
    open_archive(command_line);
    has_archive = age();
    if (!nic_wait() || !server_open(&disk, &tar, (uint16_t)guest_number(command_line, "port", UINT16_MAX, 80)))
        guest_fail("http: without a network nobody can be served");
    set_address(command_line);
    for (;;) {
        bool is_busy = nic_run();
        (void)blk_front_poll(&disk.front, 0);
        sys_check_timeouts();
        server_run();
        nic_flush();
        hear();
        // A moment that is past: only to see whether the store has changed.
        guest_wait(now_ns() + (is_busy ? 0 : sys_timeouts_sleeptime() * MS));
    }
}
