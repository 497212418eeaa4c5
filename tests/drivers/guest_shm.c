// SPDX-License-Identifier: MIT
//
// The guest of a back end's program in tests: --domid is the first of the files that process_start() places,
// the guest's memory and events, and behind them the store's. With --store PATH the store is a real one.
#include "host/guest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bus/store_xs.h"
#include "drivers/store_shm.h"
#include "drivers/transport_shm.h"

static struct shm_area area;
static uint32_t next_port;

int guest_open_store(struct store **store, unsigned domid, const char *path)
{
    static struct store_shm shm;
    static struct store_xs real;
    int rc = shm_area_attach(&area, (int)domid);

    if (rc < 0) {
        return rc;
    }
    *store = path ? &real.store : &shm.store;
    return path ? store_xs_open(&real, path) : store_shm_attach(&shm, (int)domid + 1 + 2 * (int)area.nr_ports);
}

// A back end has to know its files before a front end has named its ports. So the transports of vane-blk take the ports in
// order; those of vane-net, which have one each or two a queue, take whichever they are bound to.
int guest_open_transport(struct transport **t, unsigned domid, char *why, size_t why_size)
{
    bool is_of_any_port = strcmp(program_invocation_short_name, "vane-net") == 0;
    int rc = (is_of_any_port ? transport_shm_open_any : transport_shm_open)(t, &area, next_port++);

    (void)domid;
    if (rc < 0) {
        snprintf(why, why_size, "the guest's memory file has too few ports");
    }
    return rc;
}
