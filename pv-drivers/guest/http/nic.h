// SPDX-License-Identifier: MIT
//
// The guest's network interface, for lwIP.
#pragma once

#include <stdbool.h>

struct netif;

// Finds it, adds it to lwIP and begins to connect it; false, and a sentence on the console, if there is none.
bool nic_begin(struct netif *netif, unsigned nth);
// Until it is connected; false, and a sentence, if that takes too long.
bool nic_wait(void);
// Hands lwIP what has come; whether there may be more.
bool nic_run(void);
// Sends what lwIP put since the last time.
void nic_flush(void);
