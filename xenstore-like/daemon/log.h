// SPDX-License-Identifier: MIT
// The daemon's words: one sentence a line on standard error, with the time in front.
#pragma once

#include <stdbool.h>

// Whether each request is told.
extern bool log_requests;

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
