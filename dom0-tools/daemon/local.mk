# SPDX-License-Identifier: MIT
# The daemon that owns the domains, over libvane.
VANED_PARTS = \
    dom0-tools/daemon/admission.c \
    dom0-tools/daemon/api.c \
    dom0-tools/daemon/backends.h \
    dom0-tools/daemon/builder.c \
    dom0-tools/daemon/change.c \
    dom0-tools/daemon/consoles.c \
    dom0-tools/daemon/devices.c \
    dom0-tools/daemon/domains.c \
    dom0-tools/daemon/events.c \
    dom0-tools/daemon/host.h \
    dom0-tools/daemon/http.c \
    dom0-tools/daemon/life.c \
    dom0-tools/daemon/metrics.c \
    dom0-tools/daemon/plug.c \
    dom0-tools/daemon/served.c \
    dom0-tools/daemon/words.c \
    dom0-tools/daemon/vaned.h
VANED = $(VANED_PARTS) dom0-tools/daemon/backends.c dom0-tools/daemon/images.c \
    dom0-tools/daemon/switches.c dom0-tools/daemon/main.c
VANED_LIBS = -lmicrohttpd $(VANE_DEFINITION_LIBS)

noinst_PROGRAMS += dom0-tools/vaned
dom0_tools_vaned_SOURCES = $(VANED) dom0-tools/daemon/host_xen.c
dom0_tools_vaned_CPPFLAGS = $(USER_CPPFLAGS)
dom0_tools_vaned_CFLAGS = $(USER_CFLAGS)
dom0_tools_vaned_LDFLAGS =
dom0_tools_vaned_LDADD = dom0-tools/libvanedefinition.a $(VANE_LIBS) $(VANED_LIBS)
