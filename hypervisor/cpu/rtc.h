// SPDX-License-Identifier: MIT
/*
 * The CMOS clock, read once at boot: afterwards its ports are dom0's. It counts in BCD and 24 hours,
 * as every PC's firmware and systems set it.
 */
#pragma once
#include "lib/types.h"

/* UTC now in seconds since 1970, 0 if the chip gives no date. */
uint64_t rtc_read(void);
