// SPDX-License-Identifier: MIT
// Messages: the header's check, and the strings in a payload. Pure, and fuzzed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "public/io/xs_wire.h"

// Operations that later revisions of the protocol have and public/io/xs_wire.h has not.
enum { XS_GET_FEATURE = 23, XS_SET_FEATURE = 24, XS_GET_QUOTA = 25, XS_SET_QUOTA = 26 };

enum { WIRE_HEADER = sizeof(struct xsd_sockmsg), WIRE_MAX = WIRE_HEADER + XENSTORE_PAYLOAD_MAX };

// A request as it came. Whatever is in `payload`, a zero byte follows it.
struct message {
    struct xsd_sockmsg header;
    const char *payload;
};

// How many bytes the message that starts `bytes` has with its header: 0 if more than `size` are needed
// to know, -EMSGSIZE if the payload is longer than the protocol allows.
int wire_size(const void *bytes, size_t size);

// The strings of a payload, each closed by a zero byte. Returns their number, at most `max`, and in
// *rest where the bytes behind the last of them start.
size_t wire_strings(const char *payload, size_t length, const char *strings[], size_t max, size_t *rest);

// A decimal number of at most `max`, and nothing else: 0 or -EINVAL.
int wire_number(const char *text, uint32_t max, uint32_t *number);

void wire_put(struct buf *out, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *payload,
              size_t length);
// The name that ERROR replies have for an errno.
const char *wire_error(int error);
