// SPDX-License-Identifier: MIT
//
// What lwIP asks of the compiler and the system under it.
#pragma once

#include <stdint.h>

#include "guest/guest.h"

typedef long ssize_t;
#define SSIZE_MAX INT64_MAX
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_PLATFORM_DIAG(x) print x
#define LWIP_PLATFORM_ASSERT(what) guest_fail("lwIP: %s", what)
#define LWIP_RAND() http_random()

uint32_t http_random(void);
