// SPDX-License-Identifier: MIT
#include "drivers/frames.h"

#include <string.h>

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t add(const uint8_t *at, uint32_t size, uint32_t sum)
{
    for (uint32_t i = 0; i < size; i++) {
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

uint32_t frame_make(uint8_t *frame, bool is_v6, bool is_udp, uint32_t payload, unsigned seed)
{
    static const uint8_t ethernet[12] = { 0x00, 0x16, 0x3e, 0x09, 0x09, 0x09, 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 };
    uint32_t header = is_udp ? 8 : 20;
    uint32_t l4 = is_v6 ? 54 : 34;
    uint8_t *ip = frame + 14;

    memset(frame, 0, l4 + header);
    memcpy(frame, ethernet, sizeof(ethernet));
    put16(frame + 12, is_v6 ? 0x86dd : 0x0800);
    if (is_v6) {
        ip[0] = 0x60;
        put16(ip + 4, header + payload);
        ip[6] = is_udp ? 17 : 6;
        ip[8] = ip[24] = 0xfd;
        ip[23] = 1;
        ip[39] = 2;
    } else {
        ip[0] = 0x45;
        put16(ip + 2, 20 + header + payload);
        ip[9] = is_udp ? 17 : 6;
        ip[12] = ip[16] = 10;
        ip[15] = 1;
        ip[19] = 2;
        put16(ip + 10, (uint16_t)~add(ip, 20, 0));
    }
    put16(frame + l4, 40000);
    put16(frame + l4 + 2, 80);
    if (is_udp) {
        put16(frame + l4 + 4, header + payload);
    } else {
        frame[l4 + 12] = 5 << 4;
    }
    for (uint32_t i = 0; i < payload; i++) {
        seed = seed * 1103515245 + 12345;
        frame[l4 + header + i] = (uint8_t)(seed >> 16);
    }
    return l4 + header + payload;
}

static uint32_t sum_of(const uint8_t *frame, bool is_v6, uint32_t size)
{
    uint32_t l4 = is_v6 ? 54 : 34;
    uint32_t sum = (is_v6 ? frame[20] : frame[23]) + size - l4;

    sum = add(frame + (is_v6 ? 22 : 26), is_v6 ? 32 : 8, sum);
    return add(frame + l4, size - l4, sum);
}

uint16_t frame_checksum(const uint8_t *frame, bool is_v6, uint32_t size)
{
    return (uint16_t)~sum_of(frame, is_v6, size);
}

bool frame_is_right(const uint8_t *frame, bool is_v6, uint32_t size)
{
    return sum_of(frame, is_v6, size) == 0xffff;
}

uint32_t frame_make_arp(uint8_t *frame)
{
    static const uint8_t arp[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03, 10, 0, 0, 1,
                                   0, 0, 0, 0, 0, 0, 10, 0, 0, 2 };

    frame_make(frame, false, true, 100, 1);
    memcpy(frame + 12, arp, sizeof(arp));
    return 60;
}
