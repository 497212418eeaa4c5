// SPDX-License-Identifier: MIT
/*
 * Start of day, and the runner: goes through the table of tests, prints one line for each, and ends
 * the machine. "only=NAME" on the command line runs one test; those named alone_*, which end the
 * domain, run only so.
 */
#include "kit/kit.h"

bool on_xen;
uint64_t boot_tsc;
static struct catch test_catch;
static const char *test_name;
static bool failed, skipped;
static int nr_failed;

void kit_main(struct start_info *si, uint64_t boot_rsp, uint64_t tsc);

/* One FAIL line per test; what else goes wrong in it is told without the word. */
static void fail(const char *what)
{
    print("%s %s: %s: %s\n", failed ? "also" : "FAIL", test_title, test_name, what);
    failed = true;
}

void check(bool ok, const char *what)
{
    char line[256];

    if (ok)
        return;
    format(line, sizeof(line), "not so: %s", what);
    fail(line);
}

void check_eq(long got, long want, const char *what)
{
    bool small = got > -4096 && got < 4096 && want > -4096 && want < 4096;
    char line[256];

    if (got == want)
        return;
    format(line, sizeof(line), small ? "%s: got %ld, want %ld" : "%s: got %lx, want %lx", what, got, want);
    fail(line);
}

void check_eq_xen(long got, long want, long xen, const char *what, const char *why)
{
    (void)why;
    check_eq(got, on_xen ? xen : want, what);
}

void check_fault(int vector, long error, const char *what)
{
    check_eq(fault.vector, vector, what);
    if (fault.vector >= 0 && vector >= 0 && error >= 0)
        check_eq((long)fault.error, error, what);
}

void test_skip(const char *why)
{
    print("SKIP %s: %s: %s\n", test_title, test_name, why);
    skipped = true;
}

bool test_has_failed(void)
{
    return failed;
}

void test_leave(void)
{
    catch_throw(&test_catch);
}

void unexpected(struct frame *f)
{
    char line[256];

    if (!test_name) {
        print("kit: trap %lx error %lx at %lx, cr2 %lx, before the first test\n", f->vector, f->error,
              f->rip, read_cr2());
        finish();
    }
    format(line, sizeof(line), "unexpected trap %lx error %lx at %lx cr2 %lx rsp %lx cs %lx", f->vector,
           f->error, f->rip, read_cr2(), f->rsp, f->cs);
    fail(line);
    test_leave();
}

/* A restart and not a poweroff: QEMU, told not to restart, ends by itself. */
void finish(void)
{
    struct sched_shutdown restart = { SHUTDOWN_reboot };

    print("END %s: %d failed\n", test_title, nr_failed);
    hyp_sched_op(SCHEDOP_shutdown, &restart);
    for (;;)
        hyp_sched_op(SCHEDOP_block, NULL);
}

static bool begins(const char *s, const char *with)
{
    return !memcmp(s, with, strlen(with));
}

/* A test gets masked events, the kit's trap table and no hooks, whatever the one before left. */
static void test_reset(void)
{
    fault_resume = 0;
    frame_hook = NULL;
    event_hook = NULL;
    events_mask();
    trap_restore();
    failed = skipped = false;
}

static void test_one(const struct test *t)
{
    test_name = t->name;
    test_reset();
    if (!catch_set(&test_catch))
        t->fn();
    if (failed)
        nr_failed++;
    else if (!skipped)
        print("PASS %s: %s\n", test_title, test_name);
}

static const char *only_name(void)
{
    const char *s = (const char *)start_info->cmd_line;

    for (; *s; s++)
        if (begins(s, "only="))
            return s + 5;
    return NULL;
}

static bool wanted(const char *only, const char *name)
{
    size_t n = strlen(name);

    if (!only)
        return !begins(name, "alone_");
    return !memcmp(only, name, n) && (only[n] == 0 || only[n] == ' ');
}

void kit_main(struct start_info *si, uint64_t boot_rsp, uint64_t tsc)
{
    char extra[16];
    const char *only;

    boot_tsc = tsc;
    mem_init(si, boot_rsp);
    trap_init();
    if (!(si->flags & SIF_INITDOMAIN) && guest_main)
        guest_main();
    memset(extra, 0, sizeof(extra));
    hyp_xen_version(XENVER_extraversion, extra);
    on_xen = str_has(extra, "-deb") || (extra[0] == '.' && !str_has(extra, "paravane"));
    print("BEGIN %s: %lu pages, %s\n", test_title, nr_pages, on_xen ? "Xen" : "Paravane");
    only = only_name();
    for (const struct test *t = tests; t->name; t++)
        if (wanted(only, t->name))
            test_one(t);
        else if (!only)
            print("ALONE %s: %s\n", test_title, t->name);
    test_name = NULL;
    finish();
}
