// SPDX-License-Identifier: MIT
// What vaned makes of a definition's NICs: their addresses.
#include <stdio.h>
#include <string.h>

#include "dom0-tools/daemon/host.h"
#include "unit_main.h"

#define UUID "8d8b3f0e-3f3c-4f0a-9d5e-0123456789a"

static void read_nics(struct definition *d, const char *last_of_uuid, const char *nics)
{
    struct vane_error error;
    char text[512];

    snprintf(text, sizeof(text), "{\"name\": \"a\", \"uuid\": \"" UUID "%s\", \"memory_kib\": 65536, \"nics\": [%s]}",
             last_of_uuid, nics);
    CU_ASSERT_EQUAL(definition_read_json(d, text, strlen(text), &error), 0);
}

static void own_address(void)
{
    static const uint8_t wanted[6] = { 0x00, 0x16, 0x3e, 0x01, 0xfe, 0xa3 };
    struct definition d = { 0 };
    uint8_t mac[6];

    read_nics(&d, "b", "{\"bridge\": \"br0\"}, {\"bridge\": \"br0\", \"mac\": \"00:16:3e:01:fe:a3\"}");
    nic_address(&d, 1, mac);
    CU_ASSERT_EQUAL(memcmp(mac, wanted, 6), 0);
    definition_fini(&d);
}

static void made_address(void)
{
    static const char two[] = "{\"bridge\": \"br0\"}, {\"bridge\": \"br1\"}";
    struct definition d = { 0 }, other = { 0 };
    uint8_t first[6], again[6], second[6], others[6];

    read_nics(&d, "b", two);
    read_nics(&other, "c", two);
    nic_address(&d, 0, first);
    nic_address(&d, 0, again);
    nic_address(&d, 1, second);
    nic_address(&other, 0, others);
    CU_ASSERT_EQUAL(memcmp(first, "\x00\x16\x3e", 3), 0);
    CU_ASSERT_EQUAL(memcmp(first, again, 6), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(first, second, 6), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(first, others, 6), 0);
    definition_fini(&d);
    definition_fini(&other);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "own_address", own_address },
        { "made_address", made_address },
        { NULL, NULL },
    };

    return unit_main("vane_nics", tests);
}
