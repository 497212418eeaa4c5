# SPDX-License-Identifier: MIT
# The drivers, as lists of what each program is made of.
DRIVER_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/pv-drivers -I$(srcdir)/include -I$(srcdir)/tests/lib \
    -I$(srcdir)/tests

DRIVER_RING = pv-drivers/ring/ring.c pv-drivers/ring/ring.h pv-drivers/ring/transport.h \
    pv-drivers/ring/transport_shm.c pv-drivers/ring/transport_shm.h pv-drivers/ring/transport_xen.c
DRIVER_BUS = pv-drivers/bus/xenbus.c pv-drivers/bus/xenbus.h pv-drivers/bus/text.h \
    pv-drivers/bus/store.h pv-drivers/bus/store_shm.c pv-drivers/bus/store_shm.h
