# SPDX-License-Identifier: MIT
# The toolstack. libvane is what talks to the hypervisor and the store; everything else is above it.
VANE_LIB = \
    dom0-tools/lib/build.c dom0-tools/lib/build.h \
    dom0-tools/lib/console.c dom0-tools/lib/console.h \
    dom0-tools/lib/device.c dom0-tools/lib/device.h \
    dom0-tools/lib/domain.c dom0-tools/lib/domain.h \
    dom0-tools/lib/error.c dom0-tools/lib/error.h \
    dom0-tools/lib/hv.c dom0-tools/lib/hv.h \
    dom0-tools/lib/image.c dom0-tools/lib/image.h dom0-tools/lib/image_codec.c dom0-tools/lib/image_parse.c \
    dom0-tools/lib/sandbox.c dom0-tools/lib/sandbox.h \
    dom0-tools/lib/xen_linux.c dom0-tools/lib/xen_linux.h

noinst_LIBRARIES += dom0-tools/libvane.a
dom0_tools_libvane_a_SOURCES = $(VANE_LIB)
dom0_tools_libvane_a_CPPFLAGS = $(USER_CPPFLAGS)
dom0_tools_libvane_a_CFLAGS = $(USER_CFLAGS)

VANE_LIBS = dom0-tools/libvane.a xenstore-like/libvanestore.a -llzma -lzstd -lz -llz4 -lbz2 -llzo2
