// SPDX-License-Identifier: MIT
// Where a kernel of ours is linked; its page frame n is seen at VIRT_BASE + 4096 * n. No C in here.
#pragma once

#define VIRT_BASE 0xffffffff80000000
