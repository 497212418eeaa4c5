// SPDX-License-Identifier: MIT
#include "wire.h"

#include <string.h>

#include "xenstore-like/client/xs_errors.h"

int wire_size(const void *bytes, size_t size)
{
    struct xsd_sockmsg header;

    if (size < sizeof(header))
        return 0;
    memcpy(&header, bytes, sizeof(header));
    if (header.len > XENSTORE_PAYLOAD_MAX)
        return -EMSGSIZE;
    return (int)(sizeof(header) + header.len);
}

size_t wire_strings(const char *payload, size_t length, const char *strings[], size_t max, size_t *rest)
{
    size_t count = 0, at = 0;
    const char *end;

    while (count < max && (end = memchr(payload + at, '\0', length - at))) {
        strings[count++] = payload + at;
        at = (size_t)(end - payload) + 1;
    }
    *rest = at;
    return count;
}

int wire_number(const char *text, uint32_t max, uint32_t *number)
{
    uint64_t value = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return -EINVAL;
    }
    *number = (uint32_t)value;
    return 0;
}

void wire_put(struct buf *out, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *payload,
              size_t length)
{
    struct xsd_sockmsg header = { type, req_id, tx_id, (uint32_t)length };

    buf_reserve(out, sizeof(header) + length);
    buf_append(out, &header, sizeof(header));
    buf_append(out, payload, length);
}

const char *wire_error(int error)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (xsd_errors[i].errnum == error)
            return xsd_errors[i].errstring;
    return "EIO";
}
