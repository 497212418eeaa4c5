// SPDX-License-Identifier: MIT
// Assertions. ASSERT is for errors of the programmer and costs nothing in a release build, where
// the condition is still compiled, so that it can not rot. BUG_ON stays in every build: it stands
// where going on would let a guest corrupt the host. Nothing that a guest can cause is either.
#pragma once

#include "lib/compiler.h"

// Prints the place and what was expected, then stops the machine. In lib/console.c.
NORETURN COLD void assert_failed(const char *kind, const char *text, const char *file, int line);

#define BUG_ON(condition)                                                                         \
    do {                                                                                          \
        if (unlikely(condition))                                                                  \
            assert_failed("BUG", #condition, __FILE__, __LINE__);                                 \
    } while (0)

#ifdef PARAVANE_DEBUG
#define ASSERT(condition)                                                                         \
    do {                                                                                          \
        if (unlikely(!(condition)))                                                               \
            assert_failed("ASSERT", #condition, __FILE__, __LINE__);                              \
    } while (0)
#else
#define ASSERT(condition) ((void)sizeof(!(condition)))
#endif
