// SPDX-License-Identifier: MIT
//
// TAP devices (Linux' docs/networking/tuntap, uapi linux/if_tun.h) and bridges (rtnetlink(7)).
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_bridge.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_arp.h>

#define REQUEST_SIZE 512u
#define ANSWER_SIZE 8192u
#define LAST_VLAN 4094u
#define BUSY_STEP_NS 5000000
#define BUSY_TRIES 400u              // two seconds

// ------------------------------------------------------------------------------------------------
// Bridges.

// Asks the kernel and waits for its answer. 0 or a negative errno.
static int ask(const struct nlmsghdr *request)
{
    char answer[ANSWER_SIZE];
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    ssize_t r = -1;

    if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 && mnl_socket_sendto(s, request, request->nlmsg_len) >= 0)
        r = mnl_socket_recvfrom(s, answer, sizeof(answer));
    if (r >= 0)
        r = mnl_cb_run(answer, (size_t)r, request->nlmsg_seq, mnl_socket_get_portid(s), NULL, NULL);
    int rc = r < 0 ? -errno : 0;
    if (s)
        mnl_socket_close(s);
    return rc;
}

static struct nlmsghdr *begin_request(char *room, uint16_t type, unsigned char family, unsigned index)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(room);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(h, sizeof(*info));

    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    h->nlmsg_seq = 1;
    info->ifi_family = family;
    info->ifi_index = (int)index;
    return h;
}

static int set_master(unsigned index, unsigned master)
{
    char room[REQUEST_SIZE] = { 0 };
    struct nlmsghdr *h = begin_request(room, RTM_NEWLINK, AF_UNSPEC, index);

    mnl_attr_put_u32(h, IFLA_MASTER, master);
    return ask(h);
}

static void put_vlan(struct nlmsghdr *h, uint16_t flags, unsigned vlan)
{
    struct bridge_vlan_info info = { .flags = flags, .vid = (uint16_t)vlan };

    mnl_attr_put(h, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

// Off every VLAN, for a device that was there before may be on others; then onto the wanted one.
static int set_vlan(unsigned index, unsigned vlan)
{
    char room[REQUEST_SIZE] = { 0 };
    struct nlmsghdr *h = begin_request(room, RTM_DELLINK, AF_BRIDGE, index);
    struct nlattr *nest = mnl_attr_nest_start(h, IFLA_AF_SPEC);

    put_vlan(h, BRIDGE_VLAN_INFO_RANGE_BEGIN, 1);
    put_vlan(h, BRIDGE_VLAN_INFO_RANGE_END, LAST_VLAN);
    mnl_attr_nest_end(h, nest);
    int rc = ask(h);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    h = begin_request(room, RTM_SETLINK, AF_BRIDGE, index);
    nest = mnl_attr_nest_start(h, IFLA_AF_SPEC);
    put_vlan(h, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, vlan);
    mnl_attr_nest_end(h, nest);
    return ask(h);
}

// A number of an interface's in sysfs; 0 where it has none.
static unsigned interface_value(const char *name, const char *leaf)
{
    char path[64 + 2 * IFNAMSIZ];
    char text[16] = "";

    snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, leaf);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    return (unsigned)strtoul(text, NULL, 0);
}

static int run_tool(const char *const *words)
{
    int status = -1;
    pid_t pid;

    if (posix_spawnp(&pid, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ) == 0)
        (void)waitpid(pid, &status, 0);
    return status;
}

// Open vSwitch keeps its ports in a database, which its own tool knows best. A port of this name is that of a device that has gone,
// which the switch need not notice.
static int join_switch(const struct tap *t, const struct tap_options *o, char *why, size_t why_size)
{
    char tag[16];
    const char *const leave[] = { "ovs-vsctl", "--timeout=5", "--if-exists", "del-port", o->bridge, t->name, NULL };
    const char *const join[] = { "ovs-vsctl", "--timeout=5", "add-port", o->bridge, t->name, o->vlan ? tag : NULL, NULL };

    snprintf(tag, sizeof(tag), "tag=%u", o->vlan);
    if (run_tool(leave) == 0 && run_tool(join) == 0)
        return 0;
    snprintf(why, why_size, "%s is no bridge of Linux', and ovs-vsctl cannot put %s on it as one of Open vSwitch's: name a bridge",
             o->bridge, t->name);
    return -EIO;
}

static bool is_linux_bridge(const char *name)
{
    char path[64 + IFNAMSIZ];

    snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
    return access(path, F_OK) == 0;
}

static int join_bridge(const struct tap *t, const struct tap_options *o, char *why, size_t why_size)
{
    unsigned master = if_nametoindex(o->bridge);
    unsigned index = if_nametoindex(t->name);

    if (!master) {
        snprintf(why, why_size, "there is no bridge %s: make it (ip link add %s type bridge) or name another",
                 o->bridge, o->bridge);
        return -ENODEV;
    }
    if (!is_linux_bridge(o->bridge))
        return join_switch(t, o, why, why_size);
    int rc = set_master(index, master);
    if (rc < 0) {
        snprintf(why, why_size, "%s cannot join %s: %s", t->name, o->bridge, strerror(-rc));
        return rc;
    }
    bool filters = interface_value(o->bridge, "bridge/vlan_filtering");
    if (o->vlan && !filters) {
        snprintf(why, why_size, "%s keeps no VLANs apart: turn that on (ip link set %s type bridge "
                 "vlan_filtering 1) or leave VLAN %u away", o->bridge, o->bridge, o->vlan);
        return -EINVAL;
    }
    unsigned vlan = o->vlan ? o->vlan : interface_value(o->bridge, "bridge/default_pvid");
    rc = vlan && filters ? set_vlan(index, vlan) : 0;
    if (rc < 0)
        snprintf(why, why_size, "%s cannot be put on VLAN %u of %s: %s", t->name, vlan, o->bridge, strerror(-rc));
    return rc;
}

// ------------------------------------------------------------------------------------------------
// The device.

// A process that was killed holds its device for a moment longer: the kernel ends its io_uring after it, and one of several queues
// would share its frames with the dead. A device that is there before our first queue and is not persistent has a holder.
static int take_device(int fd, struct ifreq *request, bool is_first)
{
    const struct timespec step = { .tv_nsec = BUSY_STEP_NS };
    int rc = -EBUSY;

    for (unsigned tries = BUSY_TRIES; rc == -EBUSY && tries; tries--) {
        unsigned flags = is_first ? interface_value(request->ifr_name, "tun_flags") : 0;
        if (!flags || flags & IFF_PERSIST)
            rc = ioctl(fd, TUNSETIFF, request) < 0 ? -errno : 0;
        if (rc == -EBUSY)
            nanosleep(&step, NULL);
    }
    return rc;
}

static int open_queue(struct tap *t, unsigned i, short flags)
{
    struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    memcpy(request.ifr_name, t->name, IFNAMSIZ);
    int rc = fd < 0 ? -errno : take_device(fd, &request, i == 0);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    memcpy(t->name, request.ifr_name, IFNAMSIZ);
    t->fds[i] = fd;
    t->nr_queues = i + 1;
    return 0;
}

// Its own address is the highest there is, so that no bridge takes it for its own.
static int configure(const struct tap *t, const struct tap_options *o)
{
    struct ifreq request = { 0 };

    memcpy(request.ifr_name, t->name, IFNAMSIZ);
    request.ifr_hwaddr = (struct sockaddr){ ARPHRD_ETHER, { (char)0xfe, (char)0xff, (char)0xff, (char)0xff, (char)0xff,
                                                            (char)0xff } };
    if (ioctl(t->control_fd, SIOCSIFHWADDR, &request) < 0)
        return -errno;
    request.ifr_mtu = (int)o->mtu;
    if (o->mtu && ioctl(t->control_fd, SIOCSIFMTU, &request) < 0)
        return -errno;
    request.ifr_flags = o->is_down ? 0 : IFF_UP;
    return ioctl(t->control_fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int tap_open(struct tap *t, const struct tap_options *o, char *why, size_t why_size)
{
    if (o->name && strlen(o->name) >= IFNAMSIZ) {
        snprintf(why, why_size, "the name %s is %zu bytes long: an interface's has at most %d, choose a shorter one", o->name,
                 strlen(o->name), IFNAMSIZ - 1);
        return -EINVAL;
    }
    // It stays open in the sandbox, which allows to send: so one that cannot, though it knows interfaces as any does.
    *t = (struct tap){ .control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    int rc = t->control_fd < 0 ? -errno : 0;

    snprintf(t->name, sizeof(t->name), "%s", o->name ? o->name : "");
    for (unsigned i = 0; i < o->nr_queues && rc == 0; i++)
        rc = open_queue(t, i, o->nr_queues > 1 ? IFF_MULTI_QUEUE : 0);
    if (rc < 0) {
        snprintf(why, why_size, "TAP device %s with %u queues cannot be made (%s): is /dev/net/tun there, is the "
                 "name taken?", t->name, o->nr_queues, strerror(-rc));
        return rc;
    }
    tap_disconnect(t);
    rc = configure(t, o);
    if (rc < 0)
        snprintf(why, why_size, "TAP device %s cannot be set up with MTU %u: %s", t->name, o->mtu, strerror(-rc));
    return rc < 0 || !o->bridge ? rc : join_bridge(t, o, why, why_size);
}

static void set_carrier(struct tap *t, int has_carrier)
{
    // Without it the host only sees a link that nobody is at.
    (void)ioctl(t->fds[0], TUNSETCARRIER, &has_carrier);
}

// Frames for queues that nobody reads go to the others.
static int set_queues(struct tap *t, unsigned nr)
{
    int rc = 0;

    for (unsigned i = 1; i < t->nr_queues && rc == 0; i++) {
        struct ifreq request = { .ifr_flags = i < nr ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };
        // EINVAL: it is so already.
        rc = ioctl(t->fds[i], TUNSETQUEUE, &request) < 0 && errno != EINVAL ? -errno : 0;
    }
    return rc;
}

int tap_connect(struct tap *t, const struct net_abilities *front, unsigned nr_queues)
{
    unsigned long offloads = (front->has_checksums ? TUN_F_CSUM : 0) | (front->has_gso4 ? TUN_F_TSO4 : 0) |
                             (front->has_gso6 ? TUN_F_TSO6 : 0);
    int rc = ioctl(t->fds[0], TUNSETOFFLOAD, offloads) < 0 ? -errno : set_queues(t, nr_queues);
    if (rc == 0)
        set_carrier(t, 1);
    return rc;
}

void tap_disconnect(struct tap *t)
{
    set_carrier(t, 0);
}

bool tap_is_up(const struct tap *t)
{
    struct ifreq request = { 0 };

    memcpy(request.ifr_name, t->name, IFNAMSIZ);
    return ioctl(t->control_fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}
