// SPDX-License-Identifier: MIT
// The numbers of disks, which the ABI derives from their names; UUIDs as text.
#include <string.h>

#include "dom0-tools/lib/device.h"
#include "dom0-tools/lib/domain.h"
#include "unit_main.h"

static void disk_numbers(void)
{
    static const struct { const char *target; unsigned number; } good[] = {
        { "xvda", 51712 }, { "xvdb", 51728 }, { "xvdp", 51952 }, { "xvda1", 51713 }, { "xvdb15", 51743 },
        { "xvdq", 268439552 }, { "xvdq1", 268439553 }, { "xvdaa", 268442112 }, { "xvdzz", 268614912 },
    };
    static const char *const bad[] = { "", "xv", "xvd", "xvd1", "xvda0", "xvda16", "xvda1x", "xvdaaa", "sda", "xvdA", "xvda-1",
                                       "xvda 1", "xvda1234" };
    struct vane_error error;
    unsigned number = 0;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_EQUAL(device_disk_number(good[i].target, &number, &error), 0);
        CU_ASSERT_EQUAL(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(device_disk_number(bad[i], &number, &error), -VANE_INVALID);
        CU_ASSERT(strstr(error.text, "disk ") == error.text);
    }
}

static void uuids(void)
{
    static const uint8_t uuid[HV_HANDLE_SIZE] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff };
    char text[DOMAIN_UUID_TEXT];

    domain_uuid_text(uuid, text);
    CU_ASSERT_STRING_EQUAL(text, "00010203-0405-0607-0809-0a0b0c0d0eff");
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "disk_numbers", disk_numbers },
        { "uuids", uuids },
        { NULL, NULL },
    };

    return unit_main("vane_device", tests);
}
