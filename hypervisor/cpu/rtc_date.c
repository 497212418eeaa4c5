// SPDX-License-Identifier: MIT
/*
 * The CMOS clock's date as seconds. Pure; built on the host too (tests/unit/test_rtc.c).
 */
#include "cpu/rtc.h"

#define HOUR_PM          0x80u
#define SECONDS_PER_DAY  86400u
#define DAYS_0_TO_1970   719468u    /* from 1 March of year 0 */

static unsigned rtc_number(const struct rtc_fields *fields, unsigned raw)
{
    return fields->is_binary ? raw : (raw >> 4) * 10 + (raw & 15);
}

static unsigned rtc_hour(const struct rtc_fields *fields)
{
    unsigned hour = rtc_number(fields, fields->hour & ~(fields->is_24h ? 0u : HOUR_PM));

    if (fields->is_24h)
        return hour;
    return hour % 12 + (fields->hour & HOUR_PM ? 12 : 0);
}

static unsigned rtc_year(const struct rtc_fields *fields)
{
    unsigned year = rtc_number(fields, fields->year), century = rtc_number(fields, fields->century);

    if (century >= 19 && century <= 29)
        return century * 100 + year;
    return year < 70 ? 2000 + year : 1900 + year;
}

/* Years are counted from March, so that the leap day ends one. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3;

    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
           DAYS_0_TO_1970;
}

uint64_t rtc_to_seconds(const struct rtc_fields *fields)
{
    unsigned second = rtc_number(fields, fields->second);
    unsigned minute = rtc_number(fields, fields->minute);
    unsigned hour = rtc_hour(fields), day = rtc_number(fields, fields->day);
    unsigned month = rtc_number(fields, fields->month), year = rtc_year(fields);

    if (second > 59 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 ||
        month > 12 || year < 1970)
        return 0;
    return days_since_1970(year, month, day) * SECONDS_PER_DAY + hour * 3600u + minute * 60u +
           second;
}
