# SPDX-License-Identifier: MIT
# The store. Its logic (STORE_PURE) does no I/O, and is linked into unit tests and fuzz targets too.
STORE_PURE = \
    xenstore-like/daemon/buf.c \
    xenstore-like/daemon/log.c \
    xenstore-like/daemon/node.c \
    xenstore-like/daemon/path.c \
    xenstore-like/daemon/perms.c \
    xenstore-like/daemon/quota.c \
    xenstore-like/daemon/store.c \
    xenstore-like/daemon/txn.c \
    xenstore-like/daemon/watch.c \
    xenstore-like/daemon/wire.c

STORE_DAEMON = $(STORE_PURE) \
    xenstore-like/daemon/conn.c \
    xenstore-like/daemon/control.c \
    xenstore-like/daemon/domain.c \
    xenstore-like/daemon/events.c \
    xenstore-like/daemon/journal.c \
    xenstore-like/daemon/persist.c \
    xenstore-like/daemon/request.c \
    xenstore-like/daemon/ring.c \
    xenstore-like/daemon/socket.c

# Programs for dom0: neither ring 0 nor tests.
USER_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include
USER_CFLAGS = -std=c11 -O2 -g $(WARNINGS) -fstack-protector-strong -D_FORTIFY_SOURCE=2

noinst_PROGRAMS += xenstore-like/vane-stored
xenstore_like_vane_stored_SOURCES = $(STORE_DAEMON) xenstore-like/daemon/main.c \
    dom0-tools/lib/xen_linux.c dom0-tools/lib/xen_linux.h dom0-tools/lib/sandbox.c dom0-tools/lib/sandbox.h
xenstore_like_vane_stored_CPPFLAGS = $(USER_CPPFLAGS)
xenstore_like_vane_stored_CFLAGS = $(USER_CFLAGS)
xenstore_like_vane_stored_LDFLAGS =
xenstore_like_vane_stored_LDADD =

noinst_LIBRARIES += xenstore-like/libvanestore.a
xenstore_like_libvanestore_a_SOURCES = xenstore-like/client/xs.c xenstore-like/client/xs.h \
    xenstore-like/client/xs_errors.h
xenstore_like_libvanestore_a_CPPFLAGS = $(USER_CPPFLAGS)
xenstore_like_libvanestore_a_CFLAGS = $(USER_CFLAGS)

noinst_PROGRAMS += xenstore-like/vane-store
xenstore_like_vane_store_SOURCES = xenstore-like/cli/main.c
xenstore_like_vane_store_CPPFLAGS = $(USER_CPPFLAGS)
xenstore_like_vane_store_CFLAGS = $(USER_CFLAGS)
xenstore_like_vane_store_LDFLAGS =
xenstore_like_vane_store_LDADD = xenstore-like/libvanestore.a
