/* SPDX-License-Identifier: MIT */
/* What the kit's assembly and C both know. No C in here. */
#pragma once

#include "guest/layout.h"

/* Pseudo-vectors of a frame that came by a callback and not by the trap table. */
#define VEC_EVENT 0x100
#define VEC_SYSCALL 0x101
#define VEC_SYSCALL32 0x102
#define VEC_FAILSAFE 0x103
