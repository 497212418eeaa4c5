// SPDX-License-Identifier: MIT
// The daemon's words: one sentence a line on standard error (and in a file, where one is named), with
// the time in front unless the service manager adds its own.
#pragma once

#include <stdbool.h>

// Where lines go besides standard error; NULL closes it. Returns 0 or a negative errno.
int log_open(const char *path);
// Whether each request is told.
extern bool log_requests;

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
