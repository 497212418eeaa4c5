// SPDX-License-Identifier: MIT
// The one way in which the tools report that something failed: a kind, which programs act on (exit
// codes, HTTP status), and one sentence for people. The sentence names the field, its value, the limit
// and the cure, starts in lower case and has no full stop, so that a caller can put "guest web: " in
// front of it: "memory: 64 MiB is less than the kernel needs (88 MiB): give it at least 96 MiB".
//
// A function that can fail takes a `struct vane_error *` last, and returns what vane_fail() returned.
// 0 is success, and then the struct is as it was.
#pragma once

enum vane_kind {
    VANE_OK,
    VANE_INVALID,           // what was asked for makes no sense: ask otherwise
    VANE_NOT_FOUND,         // no such domain, file, device
    VANE_EXISTS,            // the name, the id, the device is taken
    VANE_STATE,             // not in the state the thing is in: a domain that does not run
    VANE_NO_RESOURCE,       // memory, ports, grants, disk: less, or later
    VANE_DENIED,            // not permitted
    VANE_UNSUPPORTED,       // this hypervisor, kernel or image cannot do it
    VANE_TIMEOUT,           // the other side did not answer in time
    VANE_SYSTEM,            // anything else that the system refused
    VANE_NR_KINDS
};

enum { VANE_ERROR_SIZE = 512 };

struct vane_error {
    enum vane_kind kind;
    char text[VANE_ERROR_SIZE];
};

// Fills in the error and returns -kind. What does not fit is cut off. Bytes that a terminal would take
// for orders (control characters) become '?': parts of the text come from guests and files.
int vane_fail(struct vane_error *error, enum vane_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The same for a system call or hypercall: `number` is an errno (of either sign), whose kind is chosen
// here and whose meaning is added behind ": ".
int vane_fail_errno(struct vane_error *error, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts words in front of the text ("guest web: "), and returns -kind.
int vane_fail_in(struct vane_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// "invalid", "not-found": for JSON. Never NULL.
const char *vane_kind_name(enum vane_kind kind);
