// SPDX-License-Identifier: MIT
// Host stand-in for lib/console.c in tests of other files: panic() can be caught, log lines go to
// stderr where the runner shows them only for a failing test.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_machine.h"
#include "lib/assert.h"
#include "lib/console.h"

char fake_panic_text[400];
static jmp_buf panic_target;
static bool panic_is_expected;

bool fake_catches_panic(void (*run)(void *argument), void *argument)
{
    panic_is_expected = true;
    if (setjmp(panic_target) == 0) {
        run(argument);
        panic_is_expected = false;
        return false;
    }
    panic_is_expected = false;
    return true;
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fake_panic_text, sizeof(fake_panic_text), format, args);
    va_end(args);
    if (panic_is_expected)
        longjmp(panic_target, 1);
    fprintf(stderr, "panic: %s\n", fake_panic_text);
    abort();
}

void assert_failed(const char *kind, const char *text, const char *file, int line)
{
    panic("%s at %s:%d: %s", kind, file, line, text);
}

static void show(unsigned domid, enum log_level level, const char *format, va_list args)
{
    fprintf(stderr, "d%u level %d: ", domid, (int)level);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    show(0, level, format, args);
    va_end(args);
}

void printk_guest(unsigned domid, enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    show(domid, level, format, args);
    va_end(args);
}

void console_guest_write(unsigned domid, const char *text, size_t length)
{
    fprintf(stderr, "d%u output: %.*s\n", domid, (int)length, text);
}
