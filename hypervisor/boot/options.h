// SPDX-License-Identifier: MIT
/*
 * The hypervisor's command line: one table of {name, parser, target, help}, in the words that Xen's
 * users type.
 *
 * `options` holds the result, but for loglvl= and guest_loglvl=, which set the console's
 * thresholds. It is written once at boot, before other CPUs run, and only read later, so it needs
 * no lock. No option can make the parser fail: a bad one is named in a warning and keeps its
 * default.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One size of dom0_mem=. A negative size is "all memory but that much". */
struct option_size {
    bool is_set;
    bool is_negative;
    uint64_t bytes;
};

struct option_dom0_mem {
    struct option_size size;
    struct option_size min;
    struct option_size max;
};

/* dom0_max_vcpus=N is the range N to N. max == 0: not given. */
struct option_vcpus {
    unsigned int min;
    unsigned int max;
};

enum option_parity { OPTION_PARITY_NONE, OPTION_PARITY_ODD, OPTION_PARITY_EVEN };

struct option_uart {
    unsigned int baud;   /* 0: leave the rate as the firmware set it ("auto") */
    uint8_t data_bits;   /* 5 to 8 */
    uint8_t stop_bits;   /* 1 or 2 */
    enum option_parity parity;
    uint16_t io_base;
    uint8_t irq;   /* 0: poll */
};

/* A CPU feature that is used where the CPU has it, unless the user or an erratum says no. */
struct option_feature {
    bool is_on;
    bool is_set;   /* the user said it; no erratum overrides that */
};

/* The largest number that options count CPUs with. */
#define OPTION_MAX_CPUS 1024u

/* Bits of options.console. */
#define OPTION_CONSOLE_COM1 (1u << 0)
#define OPTION_CONSOLE_VGA  (1u << 1)

struct options {
    struct option_dom0_mem dom0_mem;
    struct option_vcpus dom0_max_vcpus;
    unsigned int console;   /* OPTION_CONSOLE_* */
    struct option_uart com1;
    bool noreboot;   /* after a crash: halt, do not reset */
    unsigned int maxcpus;   /* 0: all */
    struct option_feature smap;
    struct option_feature smep;
};

extern struct options options;

/*
 * Parses `cmdline` into `options`. Every word that is unknown, or has a bad value, gives one
 * warning.
 */
void options_parse(const char *cmdline);
