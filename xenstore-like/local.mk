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
