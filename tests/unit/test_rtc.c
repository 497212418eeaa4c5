// SPDX-License-Identifier: MIT
// The CMOS clock's date as seconds, dates that are none, and one that changes while it is read; the chip
// is the test's (fake_regs/).
#include <string.h>

#include "cpu/clock.h"
#include "cpu/regs.h"
#include "unit_main.h"

static uint8_t chip[128], later[128];
static unsigned selected, reads_until_later;

uint32_t fake_port_read(unsigned port, unsigned size)
{
    CU_ASSERT(port == 0x71 && size == 1);
    if (reads_until_later && --reads_until_later == 0)
        memcpy(chip, later, sizeof(chip));
    return chip[selected];
}

void fake_port_write(unsigned port, unsigned size, uint32_t value)
{
    CU_ASSERT(port == 0x70 && size == 1 && value < sizeof(chip));
    selected = value;
}

// The date as the chip's registers hold it: from the year down to the second.
static void set(uint8_t *to, uint64_t date)
{
    static const uint8_t registers[] = { 0, 2, 4, 7, 8, 9 };

    for (unsigned i = 0; i < sizeof(registers); i++)
        to[registers[i]] = (uint8_t)(date >> 8 * i);
}

static const struct { uint64_t date, seconds; } examples[] = {
    { 0x240228123456, 1709123696 },
    { 0x240229123456, 1709210096 },
    { 0x000301000000, 951868800 },
    { 0x991231235959, 946684799 },
    { 0x700101003000, 1800 },
    { 0x260101000000, 1767225600 },
    { 0x260100000000, 0 },
    { 0x261301000000, 0 },
    { 0x260001000000, 0 },
    { 0x260101240000, 0 },
    { 0x260101000060, 0 },
    { 0xffffffffffff, 0 },
};

static void dates(void)
{
    for (unsigned i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        set(chip, examples[i].date);
        CU_ASSERT_EQUAL(rtc_read(), examples[i].seconds);
    }
}

// Wherever a change of the year falls into the reading, what comes is the old date or the new one.
static void changes_are_seen(void)
{
    for (unsigned at = 1; at < 20; at++) {
        uint64_t seconds;

        set(chip, 0x251231235959);
        set(later, 0x260101000000);
        reads_until_later = at;
        seconds = rtc_read();
        CU_ASSERT(seconds == 1767225599 || seconds == 1767225600);
    }
}

// An update that never ends does not hold up the machine.
static void a_stuck_update_ends(void)
{
    set(chip, 0x260101000000);
    chip[10] = 0x80;
    CU_ASSERT_EQUAL(rtc_read(), 1767225600);
    chip[10] = 0;
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "dates", dates },
        { "changes_are_seen", changes_are_seen },
        { "a_stuck_update_ends", a_stuck_update_ends },
        { NULL, NULL },
    };

    return unit_main("rtc", tests);
}
