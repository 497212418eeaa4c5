// SPDX-License-Identifier: MIT
/*
 * Command-line options: a table says which there are, one small parser per kind of value fills the
 * target, and one line on the console names each word that is unknown or wrong. Runs once, before
 * other CPUs.
 */
#include "boot/options.h"

#include "lib/compiler.h"
#include "lib/console.h"
#include "lib/string.h"

#define MAX_WORD 256
#define COM1_IO_BASE 0x3f8
#define COM1_IRQ 4
#define UART_CLOCK_HZ 115200u

struct options options = {
    .has_console = true,
    .com1 = {
        .line = { .io_base = COM1_IO_BASE, .baud = UART_CLOCK_HZ, .data_bits = 8, .stop_bits = 1 },
        .irq = COM1_IRQ,
    },
};

/* One row: `parse` reads `value` into `target` and answers whether the value was good. */
struct option {
    const char *name;
    bool (*parse)(const char *value, void *target);
    void *target;
    const char *allowed;
};

/* Takes a value up to the next comma off `*s`. False if it does not fit into `item`. */
static bool INIT next_item(const char **s, char *item, size_t size)
{
    size_t length = 0;

    while ((*s)[length] && (*s)[length] != ',')
        length++;
    if (length >= size)
        return false;
    memcpy(item, *s, length);
    item[length] = '\0';
    *s += length;
    if (**s == ',')
        ++*s;
    return true;
}

static bool INIT parse_flag(const char *value, void *target)
{
    static const char *const words[] = { "0", "off", "no", "false", "disable",
                                         "", "1", "on", "yes", "true", "enable" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcmp(value, words[i])) {
            *(bool *)target = i >= 5;
            return true;
        }
    }
    return false;
}

/* The whole of `s` is a number of at most `max`. */
static bool INIT parse_number(const char *s, unsigned int base, uint64_t max, uint64_t *number)
{
    return parse_u64(&s, base, number) && !*s && *number <= max;
}

static bool INIT parse_count(const char *value, void *target)
{
    uint64_t number;

    if (!parse_number(value, 10, OPTION_MAX_CPUS, &number) || !number)
        return false;
    *(unsigned int *)target = (unsigned int)number;
    return true;
}

/* A bare number counts KiB here, as in Xen; a suffix says otherwise. */
static bool INIT parse_mem_size(const char *value, struct option_size *size)
{
    struct option_size result = { .is_set = true };
    const char *end;

    if (*value == '-') {
        result.is_negative = true;
        value++;
    }
    end = value;
    if (!parse_size(&end, &result.bytes) || !result.bytes)
        return false;
    if (end[0] == 'B' || end[0] == 'b') {
        end++;
    } else if (end[-1] >= '0' && end[-1] <= '9') {
        if (result.bytes > UINT64_MAX >> 10)
            return false;
        result.bytes <<= 10;
    }
    if (*end)
        return false;
    *size = result;
    return true;
}

/* [min:SIZE,][max:SIZE,][SIZE], in any order. */
static bool INIT parse_dom0_mem(const char *value, void *target)
{
    struct option_dom0_mem result = { 0 };
    char item[MAX_WORD];

    if (!*value)
        return false;
    while (*value) {
        bool ok = next_item(&value, item, sizeof(item));

        if (ok && string_starts_with(item, "min:"))
            ok = parse_mem_size(item + 4, &result.min);
        else if (ok && string_starts_with(item, "max:"))
            ok = parse_mem_size(item + 4, &result.max);
        else if (ok)
            ok = parse_mem_size(item, &result.size);
        if (!ok)
            return false;
    }
    *(struct option_dom0_mem *)target = result;
    return true;
}

/* N, A-B, A- or -B. */
static bool INIT parse_vcpus(const char *value, void *target)
{
    uint64_t min = 1, max = OPTION_MAX_CPUS;
    bool has_min = parse_u64(&value, 10, &min);

    if (*value == '-') {
        value++;
        if (!parse_u64(&value, 10, &max) && !has_min)
            return false;
    } else {
        max = has_min ? min : 0;
    }
    if (*value || min < 1 || min > max || max > OPTION_MAX_CPUS)
        return false;
    *(struct option_vcpus *)target = (struct option_vcpus){ (unsigned int)min, (unsigned int)max };
    return true;
}

static bool INIT parse_console(const char *value, void *target)
{
    if (strcmp(value, "com1") && strcmp(value, "none"))
        return false;
    *(bool *)target = value[0] == 'c';
    return true;
}

/* A rate that divides the UART's clock, or "auto". */
static bool INIT parse_baud(const char *item, struct option_uart *uart)
{
    uint64_t baud = 0;

    if (strcmp(item, "auto") &&
        (!parse_number(item, 10, UART_CLOCK_HZ, &baud) || !baud || UART_CLOCK_HZ % baud))
        return false;
    uart->line.baud = (uint32_t)baud;
    return true;
}

/* Data bits, parity, stop bits: "8n1". */
static bool INIT parse_frame(const char *item, struct option_uart *uart)
{
    static const char parities[] = "noe";
    const char *parity;

    if (strlen(item) != 3 || item[0] < '5' || item[0] > '8' || item[2] < '1' || item[2] > '2')
        return false;
    parity = strchr(parities, item[1]);
    if (!parity)
        return false;
    uart->line.data_bits = (uint8_t)(item[0] - '0');
    uart->line.parity = (uint8_t)(parity - parities);
    uart->line.stop_bits = (uint8_t)(item[2] - '0');
    return true;
}

static bool INIT parse_io_base(const char *item, struct option_uart *uart)
{
    uint64_t port;

    if (!parse_number(item, 0, 0xfff8, &port) || !port)
        return false;
    uart->line.io_base = (uint16_t)port;
    return true;
}

static bool INIT parse_irq(const char *item, struct option_uart *uart)
{
    uint64_t irq;

    if (!parse_number(item, 10, 15, &irq))
        return false;
    uart->irq = (uint8_t)irq;
    return true;
}

/* BAUD[,DPS[,IO-BASE[,IRQ]]], each of which may be left empty. */
static bool INIT parse_uart(const char *value, void *target)
{
    static bool (*const fields[])(const char *, struct option_uart *) INITCONST = {
        parse_baud, parse_frame, parse_io_base, parse_irq,
    };
    struct option_uart result = *(struct option_uart *)target;
    char item[MAX_WORD];

    if (!*value)
        return false;
    for (size_t i = 0; *value; i++) {
        if (i == ARRAY_SIZE(fields) || !next_item(&value, item, sizeof(item)) ||
            (*item && !fields[i](item, &result)))
            return false;
    }
    *(struct option_uart *)target = result;
    return true;
}

static bool INIT parse_loglvl(const char *value, void *target)
{
    (void)target;
    return console_set_loglvl(value);
}

static bool INIT parse_guest_loglvl(const char *value, void *target)
{
    (void)target;
    return console_set_guest_loglvl(value);
}

#define BOOLEANS "nothing, 0, 1, no, yes, off, on, false or true"
#define LEVELS "none, error, warning, info, debug or all, or two of them as LOWER/UPPER"

static const struct option table[] INITCONST = {
    { "dom0_mem", parse_dom0_mem, &options.dom0_mem,
      "[min:SIZE,][max:SIZE,]SIZE with SIZE as in 1024M or 4G, or -512M for all but that" },
    { "dom0_max_vcpus", parse_vcpus, &options.dom0_max_vcpus, "a number from 1, or a range: 1-4" },
    { "console", parse_console, &options.has_console, "com1 or none" },
    { "com1", parse_uart, &options.com1,
      "BAUD,DPS,IO-BASE,IRQ as in 115200,8n1,0x3f8,4; what follows BAUD may be left out" },
    { "loglvl", parse_loglvl, NULL, LEVELS },
    { "guest_loglvl", parse_guest_loglvl, NULL, LEVELS },
    { "noreboot", parse_flag, &options.noreboot, BOOLEANS },
    { "maxcpus", parse_count, &options.maxcpus, "a number from 1" },
};

static const struct option *INIT option_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (!strcmp(table[i].name, name))
            return &table[i];
    }
    return NULL;
}

/* Handles one word: name or name=value. It is cut into its parts in place. */
static void INIT parse_word(char *word)
{
    char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : "";
    const struct option *o;

    if (equals)
        *equals = '\0';
    o = option_find(word);
    if (!o) {
        log_warn("warning: unknown option '%.80s' is ignored; remove it, or see docs/options.md "
                 "for what there is", word);
        return;
    }
    if (!o->parse(value, o->target))
        log_warn("warning: option '%s' has the bad value '%.80s' and keeps its default; "
                 "allowed: %s", o->name, value, o->allowed);
}

/* Control characters part words too, so that none reaches the console in a warning. */
static bool INIT is_blank(char c)
{
    return c > '\0' && c <= ' ';
}

void INIT options_parse(const char *cmdline)
{
    char word[MAX_WORD];

    for (;;) {
        size_t length = 0;

        while (is_blank(*cmdline))
            cmdline++;
        if (!*cmdline)
            return;
        while (cmdline[length] && !is_blank(cmdline[length]))
            length++;
        if (length < sizeof(word)) {
            memcpy(word, cmdline, length);
            word[length] = '\0';
            parse_word(word);
        } else {
            log_warn("warning: option '%.32s...' is too long and is ignored; shorten it", cmdline);
        }
        cmdline += length;
    }
}
