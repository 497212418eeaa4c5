# SPDX-License-Identifier: MIT
# Unit tests: one program per source file under test, linked with the sources it needs. They take
# their flags from the top Makefile.am (host, sanitizers, fakes first).
UNIT_TESTS += tests/unit/test_unit_main
tests_unit_test_unit_main_SOURCES = tests/unit/test_unit_main.c

# The library of ring 0, and the allocators. Those that check for misuse in debug builds are tested
# as a debug build; tests of other files link $(FAKE_PANIC) instead of the real console.
FAKE_PANIC = tests/unit/fake/fake_machine.c tests/unit/fake/fake_panic.c
DEBUG_LOCKS = hypervisor/lib/spinlock.c hypervisor/lib/spinlock_debug.c $(FAKE_PANIC)
DEBUG_BUILD = $(AM_CPPFLAGS) -DPARAVANE_DEBUG

UNIT_TESTS += tests/unit/test_lib_headers tests/unit/test_printf tests/unit/test_mem \
    tests/unit/test_string tests/unit/test_pqueue tests/unit/test_console tests/unit/test_spinlock \
    tests/unit/test_lock_order tests/unit/test_page_alloc tests/unit/test_heap
tests_unit_test_lib_headers_SOURCES = tests/unit/test_lib_headers.c
tests_unit_test_printf_SOURCES = tests/unit/test_printf.c
tests_unit_test_mem_SOURCES = tests/unit/test_mem.c
tests_unit_test_string_SOURCES = tests/unit/test_string.c hypervisor/lib/string.c
tests_unit_test_pqueue_SOURCES = tests/unit/test_pqueue.c hypervisor/lib/pqueue.c $(FAKE_PANIC)
tests_unit_test_pqueue_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_console_SOURCES = tests/unit/test_console.c hypervisor/lib/console.c \
    hypervisor/lib/printf.c hypervisor/lib/spinlock.c tests/unit/fake/fake_machine.c
tests_unit_test_spinlock_SOURCES = tests/unit/test_spinlock.c hypervisor/lib/spinlock.c \
    $(FAKE_PANIC)
tests_unit_test_lock_order_SOURCES = tests/unit/test_lock_order.c $(DEBUG_LOCKS)
tests_unit_test_lock_order_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_page_alloc_SOURCES = tests/unit/test_page_alloc.c hypervisor/mm/page_alloc.c \
    $(DEBUG_LOCKS)
tests_unit_test_page_alloc_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_heap_SOURCES = tests/unit/test_heap.c hypervisor/mm/heap.c \
    hypervisor/mm/page_alloc.c $(DEBUG_LOCKS)
tests_unit_test_heap_CPPFLAGS = $(DEBUG_BUILD)

# What boot parses: loader, command line, firmware, kernel. Each with a short deterministic run of its
# fuzz target (tests/fuzz/).
FUZZ_MINI = tests/fuzz/mini.c tests/fuzz/mini.h
CODEC_ARCHIVES = $(XZ_ARCHIVE) $(ZSTD_ARCHIVE) $(GZIP_ARCHIVE) $(LZ4_ARCHIVE)

UNIT_TESTS += tests/unit/test_bootinfo tests/unit/test_options tests/unit/test_acpi \
    tests/unit/test_elf tests/unit/test_image
tests_unit_test_bootinfo_SOURCES = tests/unit/test_bootinfo.c tests/fuzz/bootinfo.c $(FUZZ_MINI) \
    hypervisor/boot/bootinfo.c
tests_unit_test_options_SOURCES = tests/unit/test_options.c tests/fuzz/options.c $(FUZZ_MINI) \
    hypervisor/boot/options.c hypervisor/lib/string.c hypervisor/lib/printf.c tests/unit/fake/fake_log.c \
    tests/unit/fake/fake_log.h
tests_unit_test_acpi_SOURCES = tests/unit/test_acpi.c tests/fuzz/acpi.c $(FUZZ_MINI) \
    hypervisor/boot/acpi.c
tests_unit_test_elf_SOURCES = tests/unit/test_elf.c tests/fuzz/elf.c $(FUZZ_MINI) \
    hypervisor/boot/elf.c
tests_unit_test_image_SOURCES = tests/unit/test_image.c tests/fuzz/image.c $(FUZZ_MINI) \
    hypervisor/boot/image.c hypervisor/boot/codec.c hypervisor/boot/elf.c
tests_unit_test_image_LDADD = $(LDADD) $(CODEC_ARCHIVES)

# Devices: what of them is pure.
UNIT_TESTS += tests/unit/test_clock_math tests/unit/test_rtc tests/unit/test_physdev
tests_unit_test_clock_math_SOURCES = tests/unit/test_clock_math.c hypervisor/cpu/clock_math.c
tests_unit_test_physdev_SOURCES = tests/unit/test_physdev.c hypervisor/core/physdev_op.c \
    hypervisor/lib/spinlock.c
tests_unit_test_rtc_SOURCES = tests/unit/test_rtc.c tests/unit/fake_regs/cpu/regs.h hypervisor/cpu/rtc.c
tests_unit_test_rtc_CPPFLAGS = -I$(srcdir)/tests/unit/fake_regs $(AM_CPPFLAGS)

# Timers, scheduler and domains: time and other CPUs are the test's (fake_time.h).
FAKE_TIME = tests/unit/fake/fake_time.c tests/unit/fake/fake_time.h hypervisor/lib/pqueue.c $(DEBUG_LOCKS)

UNIT_TESTS += tests/unit/test_softirq tests/unit/test_timer
tests_unit_test_softirq_SOURCES = tests/unit/test_softirq.c hypervisor/core/softirq.c $(FAKE_TIME)
tests_unit_test_softirq_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_timer_SOURCES = tests/unit/test_timer.c hypervisor/core/timer.c \
    hypervisor/core/softirq.c $(FAKE_TIME)
tests_unit_test_timer_CPPFLAGS = $(DEBUG_BUILD)

# The queue's order function is wrapped to count comparisons.
UNIT_TESTS += tests/unit/test_sched
tests_unit_test_sched_SOURCES = tests/unit/test_sched.c tests/unit/sched_sim.c tests/unit/sched_sim.h \
    hypervisor/core/sched.c hypervisor/core/timer.c \
    hypervisor/core/softirq.c $(FAKE_TIME)
tests_unit_test_sched_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_sched_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pq_insert,--wrap=pq_remove

# What stands on domains: a type of guest without a guest (fake_guest.h).
CORE_BASE = hypervisor/core/domain.c hypervisor/core/hypercall.c hypervisor/core/sched.c \
    hypervisor/core/softirq.c hypervisor/core/timer.c \
    hypervisor/core/vcpu_op.c hypervisor/lib/printf.c hypervisor/mm/frame.c hypervisor/mm/heap.c \
    hypervisor/mm/page_alloc.c tests/unit/fake/fake_guest.c tests/unit/fake/fake_guest.h $(FAKE_TIME)

UNIT_TESTS += tests/unit/test_frame tests/unit/test_domain tests/unit/test_vcpu_op \
    tests/unit/test_sched_op
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c hypervisor/mm/frame.c \
    hypervisor/mm/page_alloc.c $(DEBUG_LOCKS)
tests_unit_test_frame_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_domain_SOURCES = tests/unit/test_domain.c $(CORE_BASE)
tests_unit_test_domain_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_vcpu_op_SOURCES = tests/unit/test_vcpu_op.c $(CORE_BASE)
tests_unit_test_vcpu_op_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_sched_op_SOURCES = tests/unit/test_sched_op.c hypervisor/core/sched_op.c $(CORE_BASE)
tests_unit_test_sched_op_CPPFLAGS = $(DEBUG_BUILD)

# PV guests: entering their kernels and coming back.
UNIT_TESTS += tests/unit/test_trap_bounce tests/unit/test_callbacks
tests_unit_test_trap_bounce_SOURCES = tests/unit/test_trap_bounce.c hypervisor/pv/trap_bounce.c \
    hypervisor/pv/iret.c $(FAKE_PANIC)
tests_unit_test_callbacks_SOURCES = tests/unit/test_callbacks.c hypervisor/pv/callbacks.c \
    $(FAKE_PANIC)

# Event channels, over domains that are only data (fake_domain.h).
FAKE_DOMAIN = tests/unit/fake/fake_domain.c tests/unit/fake/fake_domain.h hypervisor/core/hypercall.c \
    $(DEBUG_LOCKS)

UNIT_TESTS += tests/unit/test_event_channel tests/unit/test_event_fifo tests/unit/test_grant_table
tests_unit_test_event_channel_SOURCES = tests/unit/test_event_channel.c hypervisor/core/event_channel.c \
    hypervisor/core/event_fifo.c $(FAKE_DOMAIN)
tests_unit_test_event_channel_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_event_fifo_SOURCES = tests/unit/test_event_fifo.c hypervisor/core/event_channel.c \
    hypervisor/core/event_fifo.c $(FAKE_DOMAIN)
tests_unit_test_event_fifo_CPPFLAGS = $(DEBUG_BUILD)
tests_unit_test_grant_table_SOURCES = tests/unit/test_grant_table.c hypervisor/core/grant_table.c \
    hypervisor/core/grant_map.c hypervisor/core/grant_copy.c $(FAKE_DOMAIN)
tests_unit_test_grant_table_CPPFLAGS = $(DEBUG_BUILD)

# Frame types under a random hostile guest; preempted at each step (fake_eager/).
UNIT_TESTS += tests/unit/test_page_type
tests_unit_test_page_type_SOURCES = tests/unit/test_page_type.c tests/unit/fake_eager/core/preempt.h \
    hypervisor/pv/page_type.c hypervisor/pv/mmu_update.c hypervisor/pv/mmuext_op.c \
    hypervisor/pv/foreign.c hypervisor/mm/frame.c $(DEBUG_LOCKS)
tests_unit_test_page_type_CPPFLAGS = -I$(srcdir)/tests/unit/fake_eager $(DEBUG_BUILD)

# The instruction decoder: against this machine's CPU, and by chance.
UNIT_TESTS += tests/unit/test_insn
tests_unit_test_insn_SOURCES = tests/unit/test_insn.c tests/fuzz/insn.c $(FUZZ_MINI) \
    hypervisor/pv/insn.c

# CPU policy, over a CPU that has everything (fake_regs/).
UNIT_TESTS += tests/unit/test_cpuid
tests_unit_test_cpuid_SOURCES = tests/unit/test_cpuid.c tests/unit/fake_regs/cpu/regs.h \
    hypervisor/pv/cpuid.c
tests_unit_test_cpuid_CPPFLAGS = -I$(srcdir)/tests/unit/fake_regs $(AM_CPPFLAGS)

# The control interface.
UNIT_TESTS += tests/unit/test_domctl
tests_unit_test_domctl_SOURCES = tests/unit/test_domctl.c hypervisor/core/domctl.c $(CORE_BASE)
tests_unit_test_domctl_CPPFLAGS = $(DEBUG_BUILD)

# Operations of the control domain, and whose memory an operation names.
UNIT_TESTS += tests/unit/test_platform_op tests/unit/test_foreign
tests_unit_test_platform_op_SOURCES = tests/unit/test_platform_op.c hypervisor/core/platform_op.c \
    hypervisor/core/hypercall.c hypervisor/lib/spinlock.c $(FAKE_PANIC)
tests_unit_test_foreign_SOURCES = tests/unit/test_foreign.c hypervisor/pv/foreign.c $(FAKE_PANIC)

# MSRs, with the CPU's own as the test's (fake_regs/).
UNIT_TESTS += tests/unit/test_msr
tests_unit_test_msr_SOURCES = tests/unit/test_msr.c tests/unit/fake_regs/cpu/regs.h \
    hypervisor/pv/msr.c $(FAKE_PANIC)
tests_unit_test_msr_CPPFLAGS = -I$(srcdir)/tests/unit/fake_regs $(AM_CPPFLAGS)

# Ports, and how hypercalls restart.
UNIT_TESTS += tests/unit/test_ports tests/unit/test_hypercall
tests_unit_test_ports_SOURCES = tests/unit/test_ports.c tests/unit/fake_regs/cpu/regs.h \
    hypervisor/pv/ports.c
tests_unit_test_ports_CPPFLAGS = -I$(srcdir)/tests/unit/fake_regs $(AM_CPPFLAGS)
tests_unit_test_hypercall_SOURCES = tests/unit/test_hypercall.c hypervisor/core/hypercall.c \
    hypervisor/lib/spinlock.c $(FAKE_PANIC)
