// SPDX-License-Identifier: MIT
//
// HTTP/1.1 as far as a server of files needs it: what a client asks for, and the head of an answer. Pure: no
// connection, no memory of its own. What a client sends is hostile.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_REQUEST 4096u     // bytes, up to and with the empty line
#define HTTP_MAX_PATH 256u         // decoded, with its closing zero
#define HTTP_MAX_HEAD 256u

struct http_request {
    size_t size;                   // of it all
    unsigned status;               // 200, or what is wrong with it: then the connection ends
    bool is_head;                  // no body is wanted
    bool keeps_alive;
    char path[HTTP_MAX_PATH];      // without the first "/"; of a folder, that of its index.html
};

// False: more must come first. No request of HTTP_MAX_REQUEST bytes or more is waited for.
bool http_parse(const char *data, size_t size, struct http_request *r);
// The head of an answer, in HTTP_MAX_HEAD bytes; its length.
size_t http_head(char *head, unsigned status, const char *type, uint64_t size, bool keeps_alive);
// By the end of a name.
const char *http_type(const char *path);
const char *http_reason(unsigned status);
