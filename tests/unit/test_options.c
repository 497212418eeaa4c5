// SPDX-License-Identifier: MIT
// boot/options.c: what Xen's users type, and one line for each thing that is not understood.
#include "boot/options.h"

#include <stdio.h>
#include <string.h>

#include "../fuzz/mini.h"
#include "fake_log.h"
#include "unit_main.h"

static struct options defaults;

static void parse(const char *line)
{
    options = defaults;
    fake_log_clear();
    options_parse(line);
}

// The line is refused with one warning that contains `text`, and changes nothing.
static void refuses(const char *line, const char *text)
{
    parse(line);
    CU_ASSERT_EQUAL(fake_log_lines(), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, text));
    CU_ASSERT_EQUAL(memcmp(&options, &defaults, sizeof(options)), 0);
}

static void defaults_are_sane(void)
{
    parse("");
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    CU_ASSERT(options.has_console);
    CU_ASSERT_EQUAL(options.com1.baud, 115200);
    CU_ASSERT_EQUAL(options.com1.io_base, 0x3f8);
    CU_ASSERT(!options.noreboot);
}

static void dom0_mem(void)
{
    parse("dom0_mem=512M");
    CU_ASSERT(options.dom0_mem.size.bytes && !options.dom0_mem.size.is_negative);
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, 512ull << 20);
    CU_ASSERT(!options.dom0_mem.min.bytes && !options.dom0_mem.max.bytes);
    parse("dom0_mem=min:64M,max:4G,-128M");
    CU_ASSERT(options.dom0_mem.size.is_negative);
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, 128ull << 20);
    CU_ASSERT_EQUAL(options.dom0_mem.min.bytes, 64ull << 20);
    CU_ASSERT_EQUAL(options.dom0_mem.max.bytes, 4ull << 30);
    parse("dom0_mem=1024M,max:1024M");
    CU_ASSERT_EQUAL(options.dom0_mem.max.bytes, 1ull << 30);
    parse("dom0_mem=524288");
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, 512ull << 20);
    parse("dom0_mem=0x10T");
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, UINT64_C(16) << 40);
    parse("dom0_mem=16777215t");
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, UINT64_C(16777215) << 40);
    parse("dom0_mem=65536B");
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, 65536);
    parse("dom0_mem=65536B dom0_mem=max:2g");
    CU_ASSERT_EQUAL(options.dom0_mem.max.bytes, 2ull << 30);
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    refuses("dom0_mem=", "'dom0_mem'");
    refuses("dom0_mem", "'dom0_mem'");
    refuses("dom0_mem=12Q", "'12Q'");
    refuses("dom0_mem=12MB", "'12MB'");
    refuses("dom0_mem=M", "'M'");
    refuses("dom0_mem=16777216T", "bad value");
    refuses("dom0_mem=512M,max:", "max:SIZE");
    refuses("dom0_mem=0", "'0'");
    refuses("dom0_mem=--5M", "'--5M'");
    refuses("dom0_mem=18446744073709551615", "bad value");
    refuses("dom0_mem=99999999999T", "bad value");
}

static void vcpus(void)
{
    parse("dom0_max_vcpus=4");
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.min, 4);
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.max, 4);
    parse("dom0_max_vcpus=2-8");
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.min, 2);
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.max, 8);
    parse("dom0_max_vcpus=-3");
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.min, 1);
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.max, 3);
    parse("dom0_max_vcpus=3-");
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.min, 3);
    CU_ASSERT_EQUAL(options.dom0_max_vcpus.max, OPTION_MAX_CPUS);
    parse("maxcpus=2");
    CU_ASSERT_EQUAL(options.maxcpus, 2);
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    refuses("dom0_max_vcpus=0", "'0'");
    refuses("dom0_max_vcpus=", "bad value");
    refuses("dom0_max_vcpus=-", "bad value");
    refuses("dom0_max_vcpus=8-2", "'8-2'");
    refuses("dom0_max_vcpus=2000", "'2000'");
    refuses("dom0_max_vcpus=4x", "'4x'");
    parse("maxcpus=1024");
    CU_ASSERT_EQUAL(options.maxcpus, 1024);
    refuses("maxcpus=1025", "'1025'");
    refuses("maxcpus=2x", "'2x'");
    refuses("maxcpus=none", "'none'");
}

static void console(void)
{
    parse("console=com1");
    CU_ASSERT(options.has_console);
    parse("console=none");
    CU_ASSERT(!options.has_console);
    parse("com1=38400,7e2,0x2f8,3");
    CU_ASSERT_EQUAL(options.com1.baud, 38400);
    CU_ASSERT_EQUAL(options.com1.data_bits, 7);
    CU_ASSERT_EQUAL(options.com1.parity, 2);
    CU_ASSERT_EQUAL(options.com1.stop_bits, 2);
    CU_ASSERT_EQUAL(options.com1.io_base, 0x2f8);
    CU_ASSERT_EQUAL(options.com1.irq, 3);
    parse("com1=auto");
    CU_ASSERT_EQUAL(options.com1.baud, 0);
    parse("com1=9600,,0x3e8");
    CU_ASSERT_EQUAL(options.com1.baud, 9600);
    CU_ASSERT_EQUAL(options.com1.data_bits, 8);
    CU_ASSERT_EQUAL(options.com1.io_base, 0x3e8);
    parse("com1=,8o1,,0");
    CU_ASSERT_EQUAL(options.com1.baud, 115200);
    CU_ASSERT_EQUAL(options.com1.parity, 1);
    CU_ASSERT_EQUAL(options.com1.irq, 0);
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    refuses("console=vga", "allowed: com1 or none");
    refuses("console=com3", "'com3'");
    refuses("com1=115200,9n1", "115200,8n1");
    refuses("com1=115200,8x1", "bad value");
    refuses("com1=115201", "'115201'");
    refuses("com1=0", "bad value");
    refuses("com1=9600x", "bad value");
    refuses("com1=9600,8n1,0x3f8,4x", "bad value");
    refuses("com1=9600,8n1,0x3f8z", "bad value");
    refuses("com1=115200,8n1,0x3f8,4,5", "bad value");
    refuses("com1=115200,8n1,0x13f8f", "bad value");
    refuses("com1=115200,8n1,0x3f8,99", "bad value");
}

static void flags(void)
{
    parse("noreboot");
    CU_ASSERT(options.noreboot);
    parse("noreboot=no");
    CU_ASSERT(!options.noreboot);
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    refuses("noreboot=2", "'2'");
    refuses("no-dom0_mem", "'no-dom0_mem'");
}

static void log_levels(void)
{
    parse("loglvl=all guest_loglvl=error/info");
    CU_ASSERT_EQUAL(fake_log_lines(), 0);
    CU_ASSERT_STRING_EQUAL(fake_loglvl, "all");
    CU_ASSERT_STRING_EQUAL(fake_guest_loglvl, "error/info");
    refuses("loglvl=loud", "'loud'");
}

static void unknown_words(void)
{
    parse("  frobnicate ucode=scan\tdom0_mem=1G placeholder2");
    CU_ASSERT_EQUAL(fake_log_lines(), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "warning: unknown option 'frobnicate'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "warning: unknown option 'ucode'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "warning: unknown option 'placeholder2'"));
    CU_ASSERT_EQUAL(options.dom0_mem.size.bytes, 1ull << 30);
}

static void long_words(void)
{
    char line[400];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    memcpy(line + 256, " noreboot ", 10);
    parse(line);
    CU_ASSERT_EQUAL(fake_log_lines(), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "too long"));
    CU_ASSERT(options.noreboot);
}

static void hostile(void)
{
    static const char seed[] =
        "dom0_mem=min:64M,max:4G,-128M dom0_max_vcpus=1-4 console=com1 com1=115200,8n1,0x3f8,4 "
        "loglvl=all guest_loglvl=none noreboot maxcpus=4 noreboot=0 unknown=1";

    CU_ASSERT(fuzz_mini((const uint8_t *)seed, strlen(seed), 30000) > 30000);
    options = defaults;
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "defaults", defaults_are_sane },
        { "dom0_mem", dom0_mem },
        { "vcpus", vcpus },
        { "console", console },
        { "flags", flags },
        { "log_levels", log_levels },
        { "unknown_words", unknown_words },
        { "long_words", long_words },
        { "hostile", hostile },
        { NULL, NULL },
    };

    defaults = options;
    return unit_main("options", tests);
}
