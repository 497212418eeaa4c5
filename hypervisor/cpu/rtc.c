// SPDX-License-Identifier: MIT
/*
 * The CMOS clock (MC146818A). Boot CPU only, before dom0 has its ports.
 */
#include "cpu/rtc.h"

#include "cpu/irqflags.h"
#include "cpu/regs.h"
#include "lib/string.h"

enum {
    RTC_SECOND = 0,
    RTC_MINUTE = 2,
    RTC_HOUR = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11,
    RTC_CENTURY = 0x32,         /* where PCs keep it; a wrong value there is recognised */
};

#define RTC_INDEX_PORT     0x70
#define RTC_DATA_PORT      0x71
#define A_UPDATING         0x80u
#define B_24H              0x02u
#define B_BINARY           0x04u
#define MAX_UPDATE_SPINS   20000u   /* an update lasts 2 ms, a port read some 1 us or less */
#define MAX_TRIES          3u

static uint8_t cmos_read(unsigned reg)
{
    outb(RTC_INDEX_PORT, (uint8_t)reg);
    return inb(RTC_DATA_PORT);
}

static void rtc_read_fields(struct rtc_fields *fields)
{
    uint8_t form = cmos_read(RTC_B);

    for (unsigned i = 0; i < MAX_UPDATE_SPINS && (cmos_read(RTC_A) & A_UPDATING); i++)
        cpu_relax();
    memset(fields, 0, sizeof(*fields));
    fields->second = cmos_read(RTC_SECOND);
    fields->minute = cmos_read(RTC_MINUTE);
    fields->hour = cmos_read(RTC_HOUR);
    fields->day = cmos_read(RTC_DAY);
    fields->month = cmos_read(RTC_MONTH);
    fields->year = cmos_read(RTC_YEAR);
    fields->century = cmos_read(RTC_CENTURY);
    fields->is_binary = form & B_BINARY;
    fields->is_24h = form & B_24H;
}

/* Two equal readings: no update fell into them. */
uint64_t rtc_read(void)
{
    struct rtc_fields one, two;

    for (unsigned i = 0; i < MAX_TRIES; i++) {
        rtc_read_fields(&one);
        rtc_read_fields(&two);
        if (!memcmp(&one, &two, sizeof(one)))
            break;
    }
    return rtc_to_seconds(&two);
}
