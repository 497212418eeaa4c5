// SPDX-License-Identifier: MIT
// What a process gives up for good before it looks at anything of a guest's. Both return 0 or a negative errno.
#pragma once

#include <stddef.h>

// Capabilities, for all threads made later; and no program started can gain any.
int sandbox_drop_capabilities(void);

// All system calls but these, and of ioctl all requests but these, for all threads. Anything else ends the
// process. At most SANDBOX_MAX of both together.
enum { SANDBOX_MAX = 80 };
int sandbox_filter(const int *calls, size_t nr_calls, const unsigned long *requests, size_t nr_requests);
