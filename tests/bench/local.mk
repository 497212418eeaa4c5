# SPDX-License-Identifier: MIT
# Measurements against Debian's Xen: the targets `bench' (needs QEMU) and `bench-store' (native).
# BENCH="--update" also writes docs/figures.md.
BENCH_IMAGES = tests/bench/pvbench.elf tests/bench/stamp.elf
BENCH_STATIC = tests/bench/osbench tests/bench/stopwatch
CLEANFILES += $(BENCH_IMAGES) $(BENCH_STATIC)

tests/bench/pvbench.elf: $(srcdir)/tests/bench/pvbench.c $(GUEST_KIT)
	@mkdir -p tests/bench
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) $(GUEST_TEST_CFLAGS) $(GUEST_LINK) -o $@ $(filter %.c %.S,$^)

tests/bench/stamp.elf: $(srcdir)/tests/bench/stamp.S
	@mkdir -p tests/bench
	$(AM_V_CCLD)$(CC) -m32 -nostdlib -static -no-pie -Wl,-Ttext=0x100000 -Wl,--build-id=none -o $@ $<

# Static: they run from an initramfs that has no C library.
$(BENCH_STATIC): tests/bench/%: $(srcdir)/tests/bench/%.c
	@mkdir -p tests/bench
	$(AM_V_CCLD)$(CC) -std=gnu11 -O2 $(WARNINGS) -static -o $@ $<

bench: all $(BENCH_IMAGES) $(BENCH_STATIC)
	PV_SRC='$(abs_srcdir)' PV_BUILD='$(abs_builddir)' $(srcdir)/tests/bench/run $(BENCH)

bench-store: $(UNIT_BUILD)
	PV_SRC='$(abs_srcdir)' PV_BUILD='$(abs_builddir)' $(srcdir)/tests/bench/store $(BENCH)

# The back ends' engines, natively: the targets `bench-blk' and `bench-net', with the same argument.
EXTRA_PROGRAMS = tests/bench/blkbench tests/bench/netbench
tests_bench_blkbench_SOURCES = tests/bench/blkbench.c $(DRIVER_GUEST) tests/drivers/image_mem.c \
    tests/drivers/image_mem.h $(DRIVER_BLK) $(DRIVER_RING)
tests_bench_blkbench_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_bench_blkbench_CFLAGS = $(USER_CFLAGS)
tests_bench_blkbench_LDFLAGS =
tests_bench_blkbench_LDADD = -lpthread
tests_bench_netbench_SOURCES = tests/bench/netbench.c $(DRIVER_GUEST) $(DRIVER_PORT) $(DRIVER_NET) $(DRIVER_RING)
tests_bench_netbench_CPPFLAGS = $(DRIVER_CPPFLAGS)
tests_bench_netbench_CFLAGS = $(USER_CFLAGS)
tests_bench_netbench_LDFLAGS =
tests_bench_netbench_LDADD = -lpthread
CLEANFILES += tests/bench/blkbench tests/bench/netbench

bench-blk: tests/bench/blkbench
	PV_SRC='$(abs_srcdir)' PV_BUILD='$(abs_builddir)' $(srcdir)/tests/bench/blk $(BENCH)

# In QEMU, beside those of dom0's kernel.
bench-back-ends: all build-system
	PV_SRC='$(abs_srcdir)' PV_BUILD='$(abs_builddir)' JOBS=1 $(srcdir)/tests/system/run back-ends io-share

bench-net: tests/bench/netbench
	PV_SRC='$(abs_srcdir)' PV_BUILD='$(abs_builddir)' $(srcdir)/tests/bench/net $(BENCH)
