// SPDX-License-Identifier: MIT
//
// What either end of a split device writes into its node "state", in decimal. Source: Xen's public
// io/xenbus.h.

#pragma once

#ifndef __ASSEMBLY__

enum xenbus_state {
    XenbusStateUnknown = 0,
    XenbusStateInitialising = 1,
    XenbusStateInitWait = 2,          // the peer's parameters are awaited
    XenbusStateInitialised = 3,       // ours are published; the peer's connection is awaited
    XenbusStateConnected = 4,
    XenbusStateClosing = 5,
    XenbusStateClosed = 6,
    XenbusStateReconfiguring = 7,
    XenbusStateReconfigured = 8,
};

#endif
