# SPDX-License-Identifier: MIT
# The drivers, as lists of what each program is made of. tests/ links the same lists.
DRIVER_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/pv-drivers -I$(srcdir)/include -I$(srcdir)/tests/lib \
    -I$(srcdir)/tests

DRIVER_RING = pv-drivers/ring/ring.c pv-drivers/ring/ring.h pv-drivers/ring/transport.h pv-drivers/bus/container.h
DRIVER_BUS = pv-drivers/bus/xenbus.c pv-drivers/bus/xenbus.h pv-drivers/bus/text.c pv-drivers/bus/text.h \
    pv-drivers/bus/store.h pv-drivers/bus/store_xs.c pv-drivers/bus/store_xs.h \
    xenstore-like/client/xs.c xenstore-like/client/xs.h
# The way to the guest; tests link another one.
DRIVER_XEN = pv-drivers/host/guest.c pv-drivers/ring/transport_xen.c
DRIVER_BLK = pv-drivers/blk/blk_queue.c pv-drivers/blk/blk_queue.h \
    pv-drivers/blk/blk_journal.h pv-drivers/blk/blk_image.h pv-drivers/host/spin.c pv-drivers/host/spin.h $(DRIVER_LIMIT)
DRIVER_LIMIT = pv-drivers/host/limit.c pv-drivers/host/limit.h pv-drivers/host/stats.h
DRIVER_HOST = pv-drivers/host/back.c pv-drivers/host/back.h pv-drivers/host/worker.c \
    pv-drivers/host/worker.h pv-drivers/host/program.c pv-drivers/host/program.h pv-drivers/host/guest.h \
    $(DRIVER_SANDBOX)
DRIVER_SANDBOX = pv-drivers/host/sandbox.c pv-drivers/host/sandbox.h dom0-tools/lib/sandbox.c \
    dom0-tools/lib/sandbox.h
DRIVER_URING = pv-drivers/host/uring.c pv-drivers/host/uring.h
DRIVER_BLK_RAW = pv-drivers/blk/image_raw.c $(DRIVER_URING)
DRIVER_BLK_NBD = pv-drivers/blk/image_nbd.c
DRIVER_FRONT = pv-drivers/bus/front.c pv-drivers/bus/front.h pv-drivers/bus/os.h
DRIVER_BLK_FRONT = pv-drivers/blk/blk_front.c pv-drivers/blk/blk_front.h $(DRIVER_FRONT)
DRIVER_NET = pv-drivers/net/net_queue.c pv-drivers/net/net_queue.h pv-drivers/net/net_stats.h pv-drivers/net/net_frame.c \
    pv-drivers/net/net_frame.h pv-drivers/net/net_port.h $(DRIVER_LIMIT)
DRIVER_NET_FRONT = pv-drivers/net/net_front.c pv-drivers/net/net_front.h $(DRIVER_FRONT)

VANE_BLK = pv-drivers/blk/vane_blk.c pv-drivers/blk/blk_back.c pv-drivers/blk/blk_back.h $(DRIVER_HOST) \
    $(DRIVER_BLK) $(DRIVER_BLK_RAW) $(DRIVER_BLK_NBD) $(DRIVER_RING) $(DRIVER_BUS)
VANE_NET = pv-drivers/net/vane_net.c pv-drivers/net/net_back.c pv-drivers/net/net_back.h pv-drivers/net/tap.c \
    pv-drivers/net/tap.h pv-drivers/net/port_fd.c pv-drivers/net/port_fd.h $(DRIVER_URING) $(DRIVER_HOST) $(DRIVER_NET) $(DRIVER_RING) $(DRIVER_BUS)

noinst_PROGRAMS += pv-drivers/vane-blk pv-drivers/vane-net
pv_drivers_vane_blk_SOURCES = $(VANE_BLK) $(DRIVER_XEN)
pv_drivers_vane_blk_CPPFLAGS = $(DRIVER_CPPFLAGS)
pv_drivers_vane_blk_CFLAGS = $(USER_CFLAGS) -fPIE
pv_drivers_vane_blk_LDFLAGS = -pie -Wl,-z,relro,-z,now
pv_drivers_vane_blk_LDADD = -luring -lnbd -lpthread

pv_drivers_vane_net_SOURCES = $(VANE_NET) $(DRIVER_XEN)
pv_drivers_vane_net_CPPFLAGS = $(DRIVER_CPPFLAGS)
pv_drivers_vane_net_CFLAGS = $(USER_CFLAGS) -fPIE
pv_drivers_vane_net_LDFLAGS = -pie -Wl,-z,relro,-z,now
pv_drivers_vane_net_LDADD = -luring -lmnl -lpthread

# Small PV kernels: the flags of all, and what the tests' kernels share with the kit of the drivers.
GUEST_CFLAGS = -std=c11 -O2 $(WARNINGS) -ffreestanding -fno-pic -no-pie -mcmodel=kernel -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
    -fno-tree-loop-distribute-patterns -I$(srcdir)/include -I$(srcdir)/pv-drivers
GUEST_LINK = -nostdlib -static -Wl,-T,$(srcdir)/pv-drivers/guest/guest.lds -Wl,--build-id=none \
    -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments
GUEST_BASE = $(addprefix $(srcdir)/pv-drivers/guest/, \
    memory.c memory.h libc.c libc.h clock.h hypercall.h layout.h notes.inc guest.lds) \
    $(srcdir)/pv-drivers/bus/text.c $(srcdir)/pv-drivers/bus/text.h

# The kit, and the programs on it.
UNIKERNEL = $(addprefix $(srcdir)/pv-drivers/guest/, start.S main.c event.c grant.c console.c store.c \
    device.c guest.h) $(addprefix $(srcdir)/, $(DRIVER_BLK_FRONT) $(DRIVER_NET_FRONT) pv-drivers/ring/ring.c \
    pv-drivers/ring/ring.h pv-drivers/bus/xenbus.c pv-drivers/bus/xenbus.h pv-drivers/bus/store.h) $(GUEST_BASE)

noinst_DATA = pv-drivers/guest/bench.elf
CLEANFILES += pv-drivers/guest/bench.elf
pv-drivers/guest/bench.elf: $(srcdir)/pv-drivers/guest/bench/main.c $(UNIKERNEL)
	@mkdir -p pv-drivers/guest
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) $(GUEST_LINK) -o $@ $(filter %.c %.S,$^)
SYSTEM_BUILD += pv-drivers/guest/bench.elf

# What the HTTP guest reads of others.
GUEST_HTTP_PURE = pv-drivers/guest/http/tar.c pv-drivers/guest/http/tar.h pv-drivers/guest/http/request.c \
    pv-drivers/guest/http/request.h pv-drivers/bus/text.c pv-drivers/bus/text.h

# The HTTP guest's TCP/IP is lwIP; Debian has its source and no library of it that could run here. It is made when it is wanted.
CLEANFILES += pv-drivers/guest/http.elf pv-drivers/guest/lwip.o
LWIP = $(or $(PV_CACHE),$(abs_builddir)/cache)/lwip
LWIP_FILES = $(addprefix $(LWIP)/src/, $(addprefix core/, init.c def.c inet_chksum.c ip.c mem.c memp.c netif.c \
    pbuf.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c) $(addprefix core/ipv4/, dhcp.c etharp.c icmp.c ip4.c \
    ip4_addr.c) netif/ethernet.c)
LWIP_PORT = $(srcdir)/pv-drivers/guest/http/lwip
LWIP_CPPFLAGS = -isystem $(LWIP)/src/include -isystem $(LWIP_PORT)
GUEST_HTTP = $(addprefix $(srcdir)/pv-drivers/guest/http/, main.c nic.c nic.h server.c server.h tar.c tar.h request.c \
    request.h) $(LWIP_PORT)/lwipopts.h $(LWIP_PORT)/arch/cc.h

# Not ours, so without our warnings.
pv-drivers/guest/lwip.o: $(srcdir)/pv-drivers/guest/http/fetch-lwip $(LWIP_PORT)/lwipopts.h $(LWIP_PORT)/arch/cc.h
	@mkdir -p pv-drivers/guest
	$(srcdir)/pv-drivers/guest/http/fetch-lwip $(LWIP)
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) -w -ffunction-sections $(LWIP_CPPFLAGS) -nostdlib -r -o $@ $(LWIP_FILES)

pv-drivers/guest/http.elf: $(GUEST_HTTP) pv-drivers/guest/lwip.o $(UNIKERNEL)
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) $(LWIP_CPPFLAGS) $(GUEST_LINK) -Wl,--gc-sections -o $@ $(filter %.c %.S %.o,$^)
