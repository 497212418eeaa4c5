// SPDX-License-Identifier: MIT
/*
 * Command-line options: a table says which there are, one small parser per kind of value fills the
 * target, and one line on the console names each word that is unknown or wrong. Runs once, before
 * other CPUs.
 */
#include "boot/options.h"

#include "boot/bytes.h"

#define MAX_WORD 256
#define COM1_IO_BASE 0x3f8
#define COM1_IRQ 4
#define UART_CLOCK_HZ 115200u

struct options options = {
    .dom0_max_vcpus = { 1, OPTION_MAX_CPUS },
    .has_console = true,
    .com1 = { .io_base = COM1_IO_BASE, .baud = UART_CLOCK_HZ, .data_bits = 8, .stop_bits = 1,
              .irq = COM1_IRQ },
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

/* The whole of `s` is a number from `min` to `max`. */
static bool INIT parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *number)
{
    return parse_u64(&s, number) && !*s && *number >= min && *number <= max;
}

static bool INIT parse_count(const char *value, void *target)
{
    uint64_t number;

    if (!parse_number(value, 1, OPTION_MAX_CPUS, &number))
        return false;
    *(unsigned int *)target = (unsigned int)number;
    return true;
}

/* A bare number counts KiB here, as in Xen; a suffix says otherwise. */
static bool INIT parse_mem_size(const char *value, struct option_size *size)
{
    static const char suffixes[] INITCONST = "bkmgtBKMGT";
    const char *suffix = suffixes + 1;
    unsigned int shift;

    *size = (struct option_size){ .is_negative = *value == '-' };
    value += size->is_negative;
    if (!parse_u64(&value, &size->bytes) || !size->bytes)
        return false;
    if (*value) {
        suffix = strchr(suffixes, *value);
        if (!suffix || value[1])
            return false;
    }
    shift = 10 * ((unsigned int)(suffix - suffixes) % 5);
    if (size->bytes > UINT64_MAX >> shift)
        return false;
    size->bytes <<= shift;
    return true;
}

/* [min:SIZE,][max:SIZE,][SIZE], in any order. */
static bool INIT parse_dom0_mem(const char *value, void *target)
{
    struct option_dom0_mem result = { 0 };
    char item[MAX_WORD];

    do {
        struct option_size *size = &result.size;
        const char *text = item;

        if (!next_item(&value, item, sizeof(item)))
            return false;
        if (!strncmp(item, "min:", 4) || !strncmp(item, "max:", 4)) {
            size = item[1] == 'i' ? &result.min : &result.max;
            text += 4;
        }
        if (!parse_mem_size(text, size))
            return false;
    } while (*value);
    *(struct option_dom0_mem *)target = result;
    return true;
}

/* N, A-B, A- or -B. */
static bool INIT parse_vcpus(const char *value, void *target)
{
    uint64_t min = 1, max = OPTION_MAX_CPUS;
    bool has_min = parse_u64(&value, &min);

    if (*value == '-') {
        value++;
        if (!parse_u64(&value, &max) && !has_min)
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

/* Data bits, parity, stop bits: "8n1". */
static bool INIT parse_frame(const char *item, struct uart_config *line)
{
    static const char parities[] = "noe";
    const char *parity;

    if (strlen(item) != 3 || item[0] < '5' || item[0] > '8' || item[2] < '1' || item[2] > '2')
        return false;
    parity = strchr(parities, item[1]);
    if (!parity)
        return false;
    line->data_bits = (uint8_t)(item[0] - '0');
    line->parity = (uint8_t)(parity - parities);
    line->stop_bits = (uint8_t)(item[2] - '0');
    return true;
}

static bool INIT parse_uart_field(unsigned int field, const char *item, struct uart_config *uart)
{
    uint64_t number = 0;
    bool is_good = true;

    switch (field) {
    case 0:   /* a rate that divides the UART's clock */
        if (strcmp(item, "auto"))
            is_good = parse_number(item, 1, UART_CLOCK_HZ, &number) && !(UART_CLOCK_HZ % number);
        uart->baud = (uint32_t)number;
        return is_good;
    case 1:
        return parse_frame(item, uart);
    case 2:
        is_good = parse_number(item, 1, 0xfff8, &number);
        uart->io_base = (uint16_t)number;
        return is_good;
    case 3:
        is_good = parse_number(item, 0, 15, &number);
        uart->irq = (uint8_t)number;
        return is_good;
    default:
        return false;
    }
}

/* BAUD[,DPS[,IO-BASE[,IRQ]]], each of which may be left empty. */
static bool INIT parse_uart(const char *value, void *target)
{
    struct uart_config result = *(struct uart_config *)target;
    char item[MAX_WORD];

    if (!*value)
        return false;
    for (unsigned int field = 0; *value; field++) {
        if (!next_item(&value, item, sizeof(item)) ||
            (*item && !parse_uart_field(field, item, &result)))
            return false;
    }
    *(struct uart_config *)target = result;
    return true;
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
    { "loglvl", console_parse_threshold, &console_threshold, LEVELS },
    { "guest_loglvl", console_parse_threshold, &console_guest_threshold, LEVELS },
    { "noreboot", parse_flag, &options.noreboot, BOOLEANS },
    { "maxcpus", parse_count, &options.maxcpus, "a number from 1" },
};

/* Handles one word: name or name=value. It is cut into its parts in place. */
static void INIT parse_word(char *word)
{
    char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : "";

    if (equals)
        *equals = '\0';
    for (const struct option *o = table; o < table + ARRAY_SIZE(table); o++) {
        if (strcmp(o->name, word))
            continue;
        if (!o->parse(value, o->target))
            log_warn("warning: option '%s' has the bad value '%.80s' and keeps its default; "
                     "allowed: %s", o->name, value, o->allowed);
        return;
    }
    log_warn("warning: unknown option '%.80s' is ignored; remove it, or see docs/options.md for "
             "what there is", word);
}

void INIT options_parse(const char *cmdline)
{
    char word[MAX_WORD];
    size_t length;

    for (; *cmdline; cmdline += length) {
        length = is_blank(*cmdline);
        if (length)
            continue;
        while (cmdline[length] && !is_blank(cmdline[length]))
            length++;
        if (length < sizeof(word)) {
            scnprintf(word, length + 1, "%s", cmdline);
            parse_word(word);
        } else {
            log_warn("warning: option '%.32s...' is too long and is ignored; shorten it", cmdline);
        }
    }
}
