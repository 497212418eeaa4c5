# SPDX-License-Identifier: MIT
# Files and flags of the freestanding image. HV_CPPFLAGS and HV_CFLAGS are also what tests/lint uses
# to compile each header alone.
#
# The image is linked at a fixed address far from the lowest and highest 2 GiB, so code is compiled position-independent
# (all addresses relative to rip) although it is never moved. No floating-point register is used in ring 0, so the
# stack is 8-byte aligned; boot/codec.c aligns it for the decoders, which are the distribution's libraries.

HV_CPPFLAGS = -I$(abs_srcdir)/hypervisor -I$(abs_srcdir)/include -I$(abs_builddir)/hypervisor
HV_CFLAGS = -std=c11 -O2 -g $(WARNINGS) -ffreestanding -fpie -fvisibility=hidden -mno-red-zone \
    -mgeneral-regs-only -mpreferred-stack-boundary=3 -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-jump-tables -fno-strict-aliasing -fcf-protection=none -ffunction-sections \
    -mindirect-branch=thunk-extern -mindirect-branch-register

hypervisor_sources = \
    hypervisor/boot/head.S \
    hypervisor/boot/acpi.c \
    hypervisor/boot/bootinfo.c \
    hypervisor/boot/dom0.c \
    hypervisor/boot/elf.c \
    hypervisor/boot/main.c \
    hypervisor/boot/memory.c \
    hypervisor/boot/options.c \
    hypervisor/core/console_io.c \
    hypervisor/core/domain.c \
    hypervisor/core/domctl.c \
    hypervisor/core/event_channel.c \
    hypervisor/core/event_fifo.c \
    hypervisor/core/fpu.c \
    hypervisor/core/grant_copy.c \
    hypervisor/core/grant_map.c \
    hypervisor/core/grant_table.c \
    hypervisor/core/hypercall.c \
    hypervisor/core/memory_op.c \
    hypervisor/core/physdev_op.c \
    hypervisor/core/platform_op.c \
    hypervisor/core/sched.c \
    hypervisor/core/sched_op.c \
    hypervisor/core/softirq.c \
    hypervisor/core/sysctl.c \
    hypervisor/core/timer.c \
    hypervisor/core/vcpu_op.c \
    hypervisor/core/version.c \
    hypervisor/cpu/clock.c \
    hypervisor/cpu/clock_math.c \
    hypervisor/cpu/cpu_feature.c \
    hypervisor/cpu/descriptor.c \
    hypervisor/cpu/entry.S \
    hypervisor/cpu/ioapic.c \
    hypervisor/cpu/irq.c \
    hypervisor/cpu/lapic.c \
    hypervisor/cpu/mitigation.c \
    hypervisor/cpu/msi.c \
    hypervisor/cpu/pci_config.c \
    hypervisor/cpu/power.c \
    hypervisor/cpu/rtc.c \
    hypervisor/cpu/smp.c \
    hypervisor/cpu/smp_boot.c \
    hypervisor/cpu/trampoline.S \
    hypervisor/cpu/trap.c \
    hypervisor/cpu/uart.c \
    hypervisor/cpu/usercopy.S \
    hypervisor/lib/console.c \
    hypervisor/lib/mem.c \
    hypervisor/lib/pqueue.c \
    hypervisor/lib/printf.c \
    hypervisor/lib/spinlock.c \
    hypervisor/lib/spinlock_debug.c \
    hypervisor/lib/string.c \
    hypervisor/mm/frame.c \
    hypervisor/mm/heap.c \
    hypervisor/mm/page_alloc.c \
    hypervisor/mm/page_table.c \
    hypervisor/mm/percpu_area.c \
    hypervisor/pv/callbacks.c \
    hypervisor/pv/context.c \
    hypervisor/pv/cpuid.c \
    hypervisor/pv/emulate.c \
    hypervisor/pv/foreign.c \
    hypervisor/pv/grant_pv.c \
    hypervisor/pv/guest_descriptor.c \
    hypervisor/pv/guest_trap.c \
    hypervisor/pv/hypercall_table.c \
    hypervisor/pv/insn.c \
    hypervisor/pv/iret.c \
    hypervisor/pv/mmio.c \
    hypervisor/pv/mmu_update.c \
    hypervisor/pv/mmuext_op.c \
    hypervisor/pv/msr.c \
    hypervisor/pv/page_type.c \
    hypervisor/pv/ports.c \
    hypervisor/pv/pt_write_fault.c \
    hypervisor/pv/pv_domain.c \
    hypervisor/pv/pv_domctl.c \
    hypervisor/pv/pv_time.c \
    hypervisor/pv/trap_bounce.c

noinst_PROGRAMS += hypervisor/paravane
noinst_LIBRARIES = hypervisor/libcodec.a

hypervisor_paravane_SOURCES = $(hypervisor_sources)
hypervisor_paravane_CPPFLAGS = $(HV_CPPFLAGS)
hypervisor_paravane_CFLAGS = $(HV_CFLAGS)
hypervisor_paravane_CCASFLAGS = -D__ASSEMBLY__ $(HV_CPPFLAGS) -g
hypervisor_paravane_LDFLAGS = -nostdlib -static -no-pie -Wl,-T,hypervisor/hypervisor.lds \
    -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,--gc-sections \
    -Wl,-Map,hypervisor/paravane.map
# The decoders call back into libcodec.a, so it stands on both sides of them: automake takes no --start-group.
hypervisor_paravane_LDADD = hypervisor/libcodec.a $(XZ_ARCHIVE) $(ZSTD_ARCHIVE) $(GZIP_ARCHIVE) \
    $(LZ4_ARCHIVE) hypervisor/libcodec.a -lgcc
hypervisor_paravane_DEPENDENCIES = hypervisor/hypervisor.lds hypervisor/libcodec.a

# The glue between boot/image.c and the decoders: compiled like them, with 16-byte aligned stacks.
hypervisor_libcodec_a_SOURCES = hypervisor/boot/codec.c hypervisor/boot/codec_libc.c \
    hypervisor/boot/image.c
hypervisor_libcodec_a_CPPFLAGS = $(HV_CPPFLAGS)
hypervisor_libcodec_a_CFLAGS = $(HV_CFLAGS) -mpreferred-stack-boundary=4

hypervisor/hypervisor.lds: $(srcdir)/hypervisor/boot/hypervisor.lds.S $(srcdir)/hypervisor/mm/layout.h
	@mkdir -p hypervisor
	$(AM_V_GEN)$(CPP) -P -x assembler-with-cpp -D__ASSEMBLY__ $(HV_CPPFLAGS) $< -o $@

# Offsets of struct fields for assembly: the compiler's own numbers, picked out of its output.
hypervisor/asm_offsets.h: $(srcdir)/hypervisor/cpu/asm_offsets.c $(srcdir)/hypervisor/local.mk
	@mkdir -p hypervisor
	$(AM_V_GEN)$(CC) $(HV_CPPFLAGS) $(HV_CFLAGS) -MMD -MF $@.d -MT $@ -S $< -o $@.s && \
	    { echo '#pragma once'; sed -n 's/^.*OFFSET \([A-Za-z0-9_]*\) \$$\([0-9]*\).*/.set \1, \2/p' $@.s; } > $@
-include hypervisor/asm_offsets.h.d

hypervisor/cpu/paravane-entry.$(OBJEXT) hypervisor/cpu/paravane-usercopy.$(OBJEXT) \
    hypervisor/boot/paravane-head.$(OBJEXT): hypervisor/asm_offsets.h

CLEANFILES += hypervisor/hypervisor.lds hypervisor/asm_offsets.h hypervisor/asm_offsets.h.s hypervisor/paravane.map
