// SPDX-License-Identifier: MIT
/* What entry.S offers to C for leaving the current stack for good. */
#pragma once
#include "lib/compiler.h"

/* Drop this CPU's C frames and go to fn, with rsp at cpu_info. */
NORETURN void reset_stack_and_jump(void (*fn)(void));
/* To be jumped to only: on to the guest whose registers are in cpu_info. */
void return_to_guest(void);
