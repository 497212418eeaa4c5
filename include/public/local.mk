# SPDX-License-Identifier: MIT
# The PV ABI as guests see it. Nothing is built here: every room includes these as "public/NAME.h",
# and tests/abi reads the same list.
PUBLIC_ABI_FILES = \
    include/public/arch-x86/cpuid.h \
    include/public/arch-x86/xen.h \
    include/public/callback.h \
    include/public/domctl.h \
    include/public/elfnote.h \
    include/public/errno.h \
    include/public/event_channel.h \
    include/public/features.h \
    include/public/grant_table.h \
    include/public/io/blkif.h \
    include/public/io/console.h \
    include/public/io/netif.h \
    include/public/io/ring.h \
    include/public/io/xenbus.h \
    include/public/io/xs_wire.h \
    include/public/memory.h \
    include/public/nmi.h \
    include/public/physdev.h \
    include/public/platform.h \
    include/public/sched.h \
    include/public/sysctl.h \
    include/public/vcpu.h \
    include/public/version.h \
    include/public/xen.h
