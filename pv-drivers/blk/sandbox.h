// SPDX-License-Identifier: MIT
//
// What a back end gives up before it looks at anything of a guest's.
#pragma once

#include <stddef.h>

// Capabilities, for good and for all threads made later; and no program started can gain any.
int sandbox_drop_capabilities(void);
// Memory of its own beyond `bytes`, and all system calls but those that serving needs, for all
// threads. What is not allowed kills the process.
int sandbox_enter(size_t bytes);
