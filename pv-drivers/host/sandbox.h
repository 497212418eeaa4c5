// SPDX-License-Identifier: MIT
//
// What a back end gives up before it looks at anything of a guest's.
#pragma once

#include "dom0-tools/lib/sandbox.h"

// Memory of its own beyond `bytes`, and all system calls but those that serving needs, for all
// threads. What is not allowed kills the process. `own` are the ioctl requests of the program's own devices.
#define SANDBOX_MAX_OWN 8u
int sandbox_enter(size_t bytes, const unsigned long *own, unsigned nr_own);
