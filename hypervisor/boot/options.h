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

#include "cpu/uart.h"

/* One size of dom0_mem=. A negative size is "all memory but that much". */
struct option_size {
    bool is_negative;
    uint64_t bytes;   /* 0: not given */
};

struct option_dom0_mem {
    struct option_size size;
    struct option_size min;
    struct option_size max;
};

/* dom0_max_vcpus=N is the range N to N; unless given it is any number. */
struct option_vcpus {
    unsigned int min;
    unsigned int max;
};

/* The largest number that options count CPUs with. */
#define OPTION_MAX_CPUS 1024u

struct options {
    struct option_dom0_mem dom0_mem;
    struct option_vcpus dom0_max_vcpus;
    bool has_console;   /* com1 is the console; else there is none */
    struct uart_config com1;   /* baud 0 is "auto" */
    bool noreboot;   /* after a crash: halt, do not reset */
    unsigned int maxcpus;   /* 0: all */
};

extern struct options options;

/*
 * Parses `cmdline` into `options`. Every word that is unknown, or has a bad value, gives one
 * warning.
 */
void options_parse(const char *cmdline);
