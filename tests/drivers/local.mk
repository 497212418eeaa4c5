# SPDX-License-Identifier: MIT
# Unit tests of pv-drivers/. They run on Linux, so nothing is faked but the guest.
DRIVER_SHM = tests/drivers/transport_shm.c tests/drivers/transport_shm.h tests/drivers/copy_bytes.h
DRIVER_STORE = tests/drivers/store_shm.c tests/drivers/store_shm.h
DRIVER_GUEST = tests/drivers/guest.c tests/drivers/guest.h $(DRIVER_SHM)

# The back ends' programs as they are shipped, but for the way to the guest.
GUEST_SHM = tests/drivers/guest_shm.c $(DRIVER_SHM) $(DRIVER_STORE)
check_PROGRAMS += tests/drivers/vane-blk tests/drivers/vane-net
UNIT_BUILD += tests/drivers/vane-blk tests/drivers/vane-net pv-drivers/vane-blk xenstore-like/vane-stored
tests_drivers_vane_blk_SOURCES = $(VANE_BLK) $(GUEST_SHM)
tests_drivers_vane_blk_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_drivers_vane_blk_CFLAGS = $(pv_drivers_vane_blk_CFLAGS)
tests_drivers_vane_blk_LDFLAGS = $(pv_drivers_vane_blk_LDFLAGS)
tests_drivers_vane_blk_LDADD = $(pv_drivers_vane_blk_LDADD)
tests_drivers_vane_net_SOURCES = $(VANE_NET) $(GUEST_SHM) tests/drivers/tap_sockets.c
tests_drivers_vane_net_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_drivers_vane_net_CFLAGS = $(pv_drivers_vane_net_CFLAGS)
tests_drivers_vane_net_LDFLAGS = $(pv_drivers_vane_net_LDFLAGS) -Wl,--wrap=tap_open -Wl,--wrap=tap_connect \
    -Wl,--wrap=tap_disconnect -Wl,--wrap=tap_is_up
tests_drivers_vane_net_LDADD = $(pv_drivers_vane_net_LDADD)

UNIT_TESTS += tests/unit/test_ring tests/unit/test_xenbus
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c $(DRIVER_RING) $(DRIVER_SHM)
tests_unit_test_ring_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_xenbus_SOURCES = tests/unit/test_xenbus.c pv-drivers/host/back.c pv-drivers/host/back.h \
    pv-drivers/host/worker.c pv-drivers/host/worker.h $(DRIVER_BUS) \
    $(DRIVER_STORE)
tests_unit_test_xenbus_CPPFLAGS = $(DRIVER_CPPFLAGS)
UNIT_TESTS += tests/unit/test_blk tests/unit/test_vane_blk
tests_unit_test_blk_SOURCES = tests/unit/test_blk.c $(DRIVER_GUEST) tests/drivers/image_mem.c \
    tests/drivers/image_mem.h tests/fuzz/blk.c $(FUZZ_MINI) $(DRIVER_BLK) $(DRIVER_BLK_RAW) $(DRIVER_RING)
tests_unit_test_blk_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_blk_LDADD = $(LDADD) -luring
tests_unit_test_vane_blk_SOURCES = tests/unit/test_vane_blk.c $(DRIVER_GUEST) \
    tests/drivers/process.c tests/drivers/process.h $(DRIVER_SANDBOX) $(DRIVER_BLK_FRONT) $(DRIVER_BLK_RAW) \
    $(DRIVER_BLK_NBD) $(DRIVER_RING) $(DRIVER_BUS) $(DRIVER_STORE)
tests_unit_test_vane_blk_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_vane_blk_LDADD = $(LDADD) -luring -lnbd

# The hostile front end, once for each set of sanitizers. TSan knows no fences, and needs none: what is
# shared is only ever read and written atomically.
UNIT_TESTS += tests/unit/test_blk_hostile tests/unit/test_blk_hostile_tsan
HOSTILE = tests/unit/test_blk_hostile.c $(DRIVER_GUEST) tests/drivers/image_mem.c \
    tests/drivers/image_mem.h $(DRIVER_BLK) $(DRIVER_RING)
tests_unit_test_blk_hostile_SOURCES = $(HOSTILE)
tests_unit_test_blk_hostile_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_blk_hostile_tsan_SOURCES = $(HOSTILE) tests/lib/unit_main.c
tests_unit_test_blk_hostile_tsan_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_blk_hostile_tsan_CFLAGS = -std=c11 -O1 -g $(WARNINGS) -Wno-tsan -fsanitize=thread
tests_unit_test_blk_hostile_tsan_LDFLAGS = -fsanitize=thread
tests_unit_test_blk_hostile_tsan_LDADD = -lcunit

# The network back end: one queue, and its fuzz target.
UNIT_TESTS += tests/unit/test_net tests/unit/test_net_frame tests/unit/test_port_fd tests/unit/test_vane_net
DRIVER_PORT = tests/drivers/port_mem.c tests/drivers/port_mem.h tests/drivers/frames.c tests/drivers/frames.h
tests_unit_test_net_SOURCES = tests/unit/test_net.c $(DRIVER_GUEST) $(DRIVER_PORT) tests/fuzz/net.c $(FUZZ_MINI) \
    $(DRIVER_NET) $(DRIVER_RING)
tests_unit_test_net_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_net_frame_SOURCES = tests/unit/test_net_frame.c tests/drivers/frames.c tests/drivers/frames.h \
    pv-drivers/net/net_frame.c pv-drivers/net/net_frame.h
tests_unit_test_net_frame_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_port_fd_SOURCES = tests/unit/test_port_fd.c pv-drivers/net/port_fd.c pv-drivers/net/port_fd.h $(DRIVER_URING)
tests_unit_test_port_fd_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_port_fd_LDADD = $(LDADD) -luring
tests_unit_test_vane_net_SOURCES = tests/unit/test_vane_net.c $(DRIVER_GUEST) $(DRIVER_PORT) \
    tests/drivers/process.c tests/drivers/process.h pv-drivers/net/net_back.h pv-drivers/net/tap.c pv-drivers/net/tap.h \
    $(DRIVER_NET_FRONT) $(DRIVER_RING) $(DRIVER_BUS) $(DRIVER_STORE)
tests_unit_test_vane_net_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_vane_net_LDADD = $(LDADD) -lmnl
UNIT_TESTS += tests/unit/test_net_hostile tests/unit/test_net_hostile_tsan
NET_HOSTILE = tests/unit/test_net_hostile.c $(DRIVER_GUEST) $(DRIVER_PORT) $(DRIVER_NET) $(DRIVER_RING)
tests_unit_test_net_hostile_SOURCES = $(NET_HOSTILE)
tests_unit_test_net_hostile_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_net_hostile_tsan_SOURCES = $(NET_HOSTILE) tests/lib/unit_main.c
tests_unit_test_net_hostile_tsan_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_net_hostile_tsan_CFLAGS = $(tests_unit_test_blk_hostile_tsan_CFLAGS)
tests_unit_test_net_hostile_tsan_LDFLAGS = -fsanitize=thread
tests_unit_test_net_hostile_tsan_LDADD = -lcunit

# The guest kit's readers, its client of the store and its console.
UNIT_TESTS += tests/unit/test_guest_http tests/unit/test_guest_store tests/unit/test_guest_console
tests_unit_test_guest_console_SOURCES = tests/unit/test_guest_console.c tests/drivers/kit_below.h \
    pv-drivers/guest/console.c pv-drivers/guest/guest.h pv-drivers/bus/text.c pv-drivers/bus/text.h
tests_unit_test_guest_console_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_guest_http_SOURCES = tests/unit/test_guest_http.c tests/fuzz/guest_http.c $(FUZZ_MINI) $(GUEST_HTTP_PURE)
tests_unit_test_guest_http_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_unit_test_guest_store_SOURCES = tests/unit/test_guest_store.c tests/drivers/kit_below.h pv-drivers/guest/store.c \
    pv-drivers/guest/guest.h
tests_unit_test_guest_store_CPPFLAGS = $(DRIVER_CPPFLAGS)

# A guest for the case io-share.
CLEANFILES += tests/drivers/hostile.elf
tests/drivers/hostile.elf: $(srcdir)/tests/drivers/hostile_guest.c $(UNIKERNEL)
	@mkdir -p tests/drivers
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) $(GUEST_LINK) -o $@ $(filter %.c %.S,$^)
SYSTEM_BUILD += tests/drivers/hostile.elf
