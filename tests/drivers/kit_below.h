// SPDX-License-Identifier: MIT
// What lies below the guest kit's rings, faked: one page, one port, and a clock that moves only while somebody waits.
#pragma once

#include "guest/guest.h"
#include "unit_main.h"

static void *kit_page;
static uint64_t clock_ns;

void *page_of_mfn(uint64_t mfn)
{
    CU_ASSERT_EQUAL(mfn, 77);
    return kit_page;
}

uint64_t now_ns(void)
{
    return clock_ns;
}

int event_add(evtchn_port_t port)
{
    CU_ASSERT_EQUAL(port, 5);
    return 0;
}
