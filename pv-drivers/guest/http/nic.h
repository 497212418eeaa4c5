// SPDX-License-Identifier: MIT
//
// The guest's network interface, for lwIP.
#pragma once

#include <stdbool.h>

struct netif;

// Finds and connects it, and adds it to lwIP; false, and a sentence on the console, if there is none.
bool nic_open(struct netif *netif, unsigned nth);
// Hands lwIP what has come; whether there may be more.
bool nic_run(void);
// Sends what lwIP put since the last time.
void nic_flush(void);
