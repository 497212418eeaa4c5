# SPDX-License-Identifier: MIT
# The toolstack. libvane is what talks to the hypervisor and the store; everything else is above it.
VANE_LIB = \
    dom0-tools/lib/error.c dom0-tools/lib/error.h

noinst_LIBRARIES += dom0-tools/libvane.a
dom0_tools_libvane_a_SOURCES = $(VANE_LIB)
dom0_tools_libvane_a_CPPFLAGS = $(USER_CPPFLAGS)
dom0_tools_libvane_a_CFLAGS = $(USER_CFLAGS)
