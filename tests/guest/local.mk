# SPDX-License-Identifier: MIT
# Tiny PV kernels booted in QEMU. A topic is a folder with a main.c; its kernel is that file and kit/.
GUEST_TOPICS = version hypercall multicall fault user mmu mmuext ptwr emulate desc callback event fifo \
    grant memory sched smp platform domctl hostile

GUEST_KIT = $(addprefix $(srcdir)/tests/guest/kit/, start.S print.c mem.c trap.c user.c event.c grant.c smp.c \
    domain.c test.c kit.h hypercall.h asm.h) $(GUEST_BASE)
# 16-bit selectors and register halves are all over the place in here, hence no -Wconversion.
GUEST_TEST_CFLAGS = -std=gnu11 -Wno-conversion -I$(srcdir)/tests/guest

GUEST_IMAGES = $(GUEST_TOPICS:%=tests/guest/%.elf)
GUEST_BUILD += $(GUEST_IMAGES)
GUEST_TESTS += $(GUEST_TOPICS:%=tests/guest/run:%)
CLEANFILES += $(GUEST_IMAGES)

# No topic: for tests of toolstacks.
SYSTEM_BUILD += tests/guest/tiny.elf
CLEANFILES += tests/guest/tiny.elf

# A topic of more than one file.
tests/guest/hostile.elf: $(addprefix $(srcdir)/tests/guest/hostile/, attacker.c values.c bystander.c hostile.h)

tests/guest/%.elf: $(srcdir)/tests/guest/%/main.c $(GUEST_KIT)
	@mkdir -p tests/guest
	$(AM_V_CCLD)$(CC) $(GUEST_CFLAGS) $(GUEST_TEST_CFLAGS) $(GUEST_LINK) -o $@ $(filter %.c %.S,$^)
