// SPDX-License-Identifier: MIT
/* The CMOS clock, read once at boot: afterwards its ports are dom0's. */
#pragma once
#include "lib/types.h"

/* A date as the chip's registers hold it, and what register B says of their form. */
struct rtc_fields {
    uint8_t second, minute, hour, day, month, year, century;   /* century 0: not kept */
    bool is_binary;             /* else BCD */
    bool is_24h;                /* else bit 7 of hour means PM */
};

/* Seconds since 1970 of a UTC date, 0 if it is none. Pure. */
uint64_t rtc_to_seconds(const struct rtc_fields *fields);
/* Seconds since 1970 now, 0 if the chip gives no date. */
uint64_t rtc_read(void);
