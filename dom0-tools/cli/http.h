// SPDX-License-Identifier: MIT
// One request to vaned over its Unix socket.
#pragma once

#include <stddef.h>

// The reply's body, closed by a zero byte, to free(). Returns the status, or a negative errno.
int http_request(const char *socket, const char *method, const char *path, const char *body, size_t size, char **reply);
// Gives each piece of a reply without an end to `take`, until that returns nonzero or the reply ends.
int http_follow(const char *socket, const char *path, int (*take)(const char *text, size_t size));
