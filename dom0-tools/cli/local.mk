# SPDX-License-Identifier: MIT
# The command line; its man page and completion are made from its table of commands.
VANE_CLI = \
    dom0-tools/cli/commands.c \
    dom0-tools/cli/console.c \
    dom0-tools/cli/doctor.c \
    dom0-tools/cli/events.c \
    dom0-tools/cli/generate.c \
    dom0-tools/cli/http.c dom0-tools/cli/http.h \
    dom0-tools/cli/local.c \
    dom0-tools/cli/main.c \
    dom0-tools/cli/request.c \
    dom0-tools/cli/text.c \
    dom0-tools/cli/top.c \
    dom0-tools/cli/vane.h

noinst_PROGRAMS += dom0-tools/vane
dom0_tools_vane_SOURCES = $(VANE_CLI)
dom0_tools_vane_CPPFLAGS = $(USER_CPPFLAGS)
dom0_tools_vane_CFLAGS = $(USER_CFLAGS)
# Each command is a process of its own, which libraries would have to be bound to each time.
dom0_tools_vane_LDFLAGS = -static-pie
dom0_tools_vane_LDADD = dom0-tools/libvanedefinition.a dom0-tools/libvane.a xenstore-like/libvanestore.a -ljansson

dom0-tools/vane.1 dom0-tools/vane.bash: dom0-tools/vane$(EXEEXT)
	$(AM_V_GEN)dom0-tools/vane --generate man >dom0-tools/vane.1 && \
	    dom0-tools/vane --generate completion >dom0-tools/vane.bash
all-local: dom0-tools/vane.1 dom0-tools/vane.bash
CLEANFILES += dom0-tools/vane.1 dom0-tools/vane.bash
