// SPDX-License-Identifier: MIT
/*
 * xen_version: every sub-operation answers, in the form that Linux, xl and libvirt read.
 * Why: the first thing a kernel asks; a wrong feature bit sends it down a path we do not serve.
 */
#include "kit/kit.h"

static void version(void)
{
    CHECK_EQ(hyp_xen_version(XENVER_version, NULL), 4 << 16 | 17);
}

TESTS("version", TEST(version));
