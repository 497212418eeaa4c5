// SPDX-License-Identifier: MIT
//
// lwIP on net_front. Frames are copied once in each direction beside lwIP's own copies; checksums are lwIP's,
// so that a frame is whole wherever it goes.
#include "guest/http/nic.h"

#include "guest/guest.h"
#include <lwip/etharp.h>
#include "net/net_front.h"
#include <netif/ethernet.h>
#include "public/errno.h"

#define MTU 1500u
#define MAX_FRAME 1536u           // as PBUF_POOL_BUFSIZE: one pbuf holds it
#define MAX_BATCH 64u             // frames taken before others have their turn

_Static_assert(PBUF_POOL_BUFSIZE >= MAX_FRAME, "a frame lies in one piece");

static struct guest_device device;
static struct net_front front;
static struct netif *the_netif;
static uint8_t frame[MAX_FRAME];
static bool is_up;                // rings are there

// The link follows what the back end says of it, and rings are only used while there are any.
static void run_front(void *unused)
{
    (void)unused;
    (void)xenbus_run(&front.bus);
    is_up = front.bus.own_state == XenbusStateConnected;
    if (is_up && front.has_link)
        netif_set_link_up(the_netif);
    else
        netif_set_link_down(the_netif);
}

static err_t send(struct netif *netif, struct pbuf *p)
{
    struct net_front_packet packet = { .data = p->payload, .size = p->tot_len };

    (void)netif;
    if (p->tot_len > MAX_FRAME || !is_up)
        return ERR_IF;
    if (p->len != p->tot_len) {
        (void)pbuf_copy_partial(p, frame, p->tot_len, 0);
        packet.data = frame;
    }
    return net_front_send(&front, 0, &packet) == 0 ? ERR_OK : ERR_MEM;
}

static err_t init(struct netif *netif)
{
    netif->name[0] = 'x';
    netif->name[1] = 'n';
    netif->mtu = MTU;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = send;
    return ERR_OK;
}

// Without memory for it a frame is lost.
static bool receive(void)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, MAX_FRAME, PBUF_POOL);
    struct net_front_packet packet = { .data = p ? p->payload : frame, .size = MAX_FRAME };
    bool is_there = net_front_receive(&front, 0, &packet) == 1;

    if (!p)
        return is_there;
    if (is_there)
        pbuf_realloc(p, (u16_t)packet.size);
    if (!is_there || the_netif->input(p, the_netif) != ERR_OK)
        pbuf_free(p);
    return is_there;
}

bool nic_run(void)
{
    unsigned nr = 0;

    while (nr < MAX_BATCH && is_up && receive())
        nr++;
    return nr == MAX_BATCH;
}

void nic_flush(void)
{
    if (is_up)
        net_front_kick(&front, 0);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
           c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_mac(uint8_t mac[ETH_HWADDR_LEN])
{
    char path[STORE_MAX_PATH];
    char text[STORE_MAX_VALUE];

    format(path, sizeof(path), "%s/mac", device.own);
    int rc = guest_store.ops->read(&guest_store, path, text, sizeof(text));
    for (unsigned i = 0; i < ETH_HWADDR_LEN && rc == 0; i++) {
        int high = digit(text[3 * i]);
        int low = high < 0 ? -1 : digit(text[3 * i + 1]);
        mac[i] = (uint8_t)(high << 4 | low);
        rc = low < 0 || text[3 * i + 2] != (i < ETH_HWADDR_LEN - 1 ? ':' : '\0') ? -XEN_EINVAL : 0;
    }
    return rc;
}

bool nic_begin(struct netif *netif, unsigned nth)
{
    static const struct net_front_config want = { .nr_queues = 1, .nr_buffers = NET_FRONT_MAX_BUFFERS };
    int rc = device_find("vif", nth, &device);

    if (rc == 0)
        rc = read_mac(netif->hwaddr);
    if (rc == 0)
        rc = net_front_init(&front, &device.os, &guest_store, device.own, device.peer, &want);
    if (rc < 0 || !netif_add(netif, NULL, NULL, NULL, NULL, init, ethernet_input)) {
        print("interface %u: %s (error %d)\n", nth, rc == -XEN_ENOENT ? "the guest has no such interface" :
              "it cannot be set up", -rc);
        return false;
    }
    the_netif = netif;
    netif_set_default(netif);
    guest_on_change(run_front, NULL);
    run_front(NULL);
    return true;
}

bool nic_wait(void)
{
    return device_wait(&front.bus);
}
