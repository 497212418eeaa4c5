// SPDX-License-Identifier: MIT
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[VANE_NR_KINDS] = {
    [VANE_OK] = "ok",
    [VANE_INVALID] = "invalid",
    [VANE_NOT_FOUND] = "not-found",
    [VANE_EXISTS] = "exists",
    [VANE_STATE] = "state",
    [VANE_NO_RESOURCE] = "no-resource",
    [VANE_DENIED] = "denied",
    [VANE_UNSUPPORTED] = "unsupported",
    [VANE_TIMEOUT] = "timeout",
    [VANE_SYSTEM] = "system",
};

static const struct { int number; enum vane_kind kind; } errno_kinds[] = {
    { EINVAL, VANE_INVALID },
    { E2BIG, VANE_INVALID },
    { ENAMETOOLONG, VANE_INVALID },
    { ENOENT, VANE_NOT_FOUND },
    { ESRCH, VANE_NOT_FOUND },
    { ENODEV, VANE_NOT_FOUND },
    { EEXIST, VANE_EXISTS },
    { EBUSY, VANE_STATE },
    { ENOMEM, VANE_NO_RESOURCE },
    { ENOSPC, VANE_NO_RESOURCE },
    { EMFILE, VANE_NO_RESOURCE },
    { ENFILE, VANE_NO_RESOURCE },
    { EPERM, VANE_DENIED },
    { EACCES, VANE_DENIED },
    { ENOSYS, VANE_UNSUPPORTED },
    { EOPNOTSUPP, VANE_UNSUPPORTED },
    { ETIMEDOUT, VANE_TIMEOUT },
};

static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

// By way of a copy: arguments may point into the text that is being replaced.
static int set_text(struct vane_error *error, enum vane_kind kind, const char *behind, const char *format,
                    va_list args)
{
    char text[VANE_ERROR_SIZE];
    int length = vsnprintf(text, sizeof(text), format, args);

    if (length >= 0 && (size_t)length < sizeof(text))
        snprintf(text + length, sizeof(text) - (size_t)length, "%s", behind);
    make_printable(text);
    memcpy(error->text, text, sizeof(text));
    error->kind = kind;
    return -(int)kind;
}

int vane_fail(struct vane_error *error, enum vane_kind kind, const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = set_text(error, kind, "", format, args);
    va_end(args);
    return rc;
}

int vane_fail_errno(struct vane_error *error, int number, const char *format, ...)
{
    enum vane_kind kind = VANE_SYSTEM;
    char behind[128];
    va_list args;
    int rc;

    number = abs(number);
    for (size_t i = 0; i < sizeof(errno_kinds) / sizeof(errno_kinds[0]); i++)
        if (errno_kinds[i].number == number)
            kind = errno_kinds[i].kind;
    snprintf(behind, sizeof(behind), ": %s", strerror(number));
    va_start(args, format);
    rc = set_text(error, kind, behind, format, args);
    va_end(args);
    return rc;
}

int vane_fail_in(struct vane_error *error, const char *format, ...)
{
    char old[VANE_ERROR_SIZE];
    va_list args;
    int rc;

    memcpy(old, error->text, sizeof(old));
    va_start(args, format);
    rc = set_text(error, error->kind, old, format, args);
    va_end(args);
    return rc;
}

const char *vane_kind_name(enum vane_kind kind)
{
    return (unsigned)kind < VANE_NR_KINDS ? kind_names[kind] : "unknown";
}
