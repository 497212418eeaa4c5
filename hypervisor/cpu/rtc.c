// SPDX-License-Identifier: MIT
/*
 * The CMOS clock (MC146818A). Boot CPU only, before dom0 has its ports. It counts in BCD and 24 hours,
 * as every PC's firmware and systems set it.
 */
#include "cpu/clock.h"
#include "cpu/regs.h"

#define RTC_INDEX_PORT     0x70
#define RTC_DATA_PORT      0x71
#define RTC_STATUS         10u
#define STATUS_UPDATING    0x80u
#define MAX_UPDATE_SPINS   20000u   /* an update lasts 2 ms, a port read some 1 us or less */
#define MAX_TRIES          3u
#define SECONDS_PER_DAY    86400u
#define DAYS_0_TO_1970     719468u  /* from 1 March of year 0 */

struct rtc_date {
    uint8_t second, minute, hour, day, month, year;
};

static uint8_t cmos_read(unsigned reg)
{
    port_write(RTC_INDEX_PORT, 1, reg);
    return (uint8_t)port_read(RTC_DATA_PORT, 1);
}

static uint8_t cmos_number(unsigned reg)
{
    uint8_t bcd = cmos_read(reg);

    return (uint8_t)((bcd >> 4) * 10 + (bcd & 15));
}

static struct rtc_date read_date(void)
{
    for (unsigned i = 0; i < MAX_UPDATE_SPINS && (cmos_read(RTC_STATUS) & STATUS_UPDATING); i++)
        cpu_relax();
    return (struct rtc_date){
        .second = cmos_number(0), .minute = cmos_number(2), .hour = cmos_number(4),
        .day = cmos_number(7), .month = cmos_number(8), .year = cmos_number(9),
    };
}

/* Years are counted from March, so that the leap day ends one. */
static uint64_t date_to_seconds(struct rtc_date d)
{
    unsigned y = (d.year < 70 ? 2000u : 1900u) + d.year - (d.month <= 2);
    unsigned m = d.month <= 2 ? d.month + 9u : d.month - 3u;
    uint64_t days = (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d.day - 1 -
                    DAYS_0_TO_1970;

    if (d.second > 59 || d.minute > 59 || d.hour > 23 || d.day < 1 || d.day > 31 || d.month < 1 ||
        d.month > 12 || d.year > 99)
        return 0;
    return days * SECONDS_PER_DAY + d.hour * 3600u + d.minute * 60u + d.second;
}

/* Two equal readings: no update fell into them. */
uint64_t rtc_read(void)
{
    struct rtc_date one, two = read_date();

    for (unsigned i = 0; i < MAX_TRIES; i++) {
        one = two;
        two = read_date();
        if (!memcmp(&one, &two, sizeof(one)))
            break;
    }
    return date_to_seconds(two);
}
