// SPDX-License-Identifier: MIT
//
// The guest's beginning, its waits and its end.
#include "bus/text.h"
#include "guest/guest.h"
#include "guest/hypercall.h"
#include "public/sched.h"

#define MAX_CHANGES 8u
#define NR_TRAPS 20u
#define NMI 2u

// As start.S and the hypervisor push it.
struct trap {
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

void guest_start(const struct start_info *info, uint64_t boot_rsp) __attribute__((noreturn));
void guest_trap(const struct trap *t) __attribute__((noreturn));

extern uint8_t trap_stubs[], guest_stack[];
static struct change {
    guest_change_fn *fn;
    void *arg;
} changes[MAX_CHANGES];
static unsigned nr_changes;

void guest_end(enum guest_end how)
{
    console_drain();
    for (;;)
        hyp_sched_op(SCHEDOP_shutdown, &(struct sched_shutdown){ how });
}

void guest_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint(fmt, ap);
    va_end(ap);
    print("\n");
    guest_end(GUEST_CRASH);
}

void guest_trap(const struct trap *t)
{
    guest_fail("the guest's own fault: trap %lu, error %lx, at %p, address %p, stack %p", t->vector, t->error,
               (void *)t->rip, (void *)shared_info->vcpu_info[0].arch.cr2, (void *)t->rsp);
}

// Requests that were met are taken out of the store; one that is not possible stays, and times out there.
static void obey(void *unused)
{
    static const struct {
        const char *word;
        enum guest_end how;
    } known[] = {
        { "poweroff", GUEST_POWEROFF }, { "halt", GUEST_POWEROFF }, { "reboot", GUEST_REBOOT },
    };
    char word[STORE_MAX_VALUE];

    (void)unused;
    if (guest_store.ops->read(&guest_store, "control/shutdown", word, sizeof(word)) != 0)
        return;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (memcmp(word, known[i].word, strlen(known[i].word) + 1) == 0) {
            (void)guest_store.ops->write(&guest_store, "control/shutdown", "");
            guest_end(known[i].how);
        }
    }
}

void guest_on_change(guest_change_fn *fn, void *arg)
{
    if (nr_changes == MAX_CHANGES)
        guest_fail("more than %u parts of the program want to know of changes", MAX_CHANGES);
    changes[nr_changes++] = (struct change){ fn, arg };
}

static bool run_changes(void)
{
    bool changed = store_changed();

    for (unsigned i = 0; i < nr_changes && changed; i++)
        changes[i].fn(changes[i].arg);
    return changed;
}

void guest_wait(uint64_t until_ns)
{
    // What changed while somebody talked to the store is no news any more to its port.
    if (!run_changes()) {
        event_wait_any(until_ns);
        (void)run_changes();
    }
}

bool guest_option(const char *command_line, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    size_t n = 0;

    for (const char *at = command_line; *at; at++) {
        size_t same = 0;
        while (same < length && at[same] == name[same])
            same++;
        if (same == length && at[same] == '=' && (at == command_line || at[-1] == ' ')) {
            for (at += length + 1; *at && *at != ' ' && n + 1 < size; at++)
                value[n++] = *at;
            value[n] = '\0';
            return true;
        }
    }
    return false;
}

uint64_t guest_number(const char *command_line, const char *name, uint64_t limit, uint64_t otherwise)
{
    char text[TEXT_DECIMAL + 1];
    uint64_t value = otherwise;

    if (guest_option(command_line, name, text, sizeof(text)) && !text_parse_u64(text, limit, &value))
        guest_fail("%s=%s: a number up to %lu is wanted", name, text, limit);
    return value;
}

static void take_traps(void)
{
    struct trap_info table[NR_TRAPS + 1] = { 0 };
    unsigned n = 0;

    for (unsigned vector = 0; vector < NR_TRAPS; vector++) {
        if (vector != NMI)
            table[n++] = (struct trap_info){ .vector = (uint8_t)vector, .cs = FLAT_KERNEL_CS,
                                             .address = U64(trap_stubs) + 16 * vector };
    }
    if (hyp_set_trap_table(table) != 0)
        print("the guest's faults will end it without a word: the hypervisor refused its trap table\n");
}

static void watch_shutdown(void)
{
    const struct store_ops *ops = guest_store.ops;

    if (ops->write(&guest_store, "control/feature-poweroff", "1") != 0 ||
        ops->write(&guest_store, "control/feature-reboot", "1") != 0 ||
        ops->watch(&guest_store, "control/shutdown") != 0)
        print("store: control/ cannot be used: the guest will not answer requests to shut down\n");
    guest_on_change(obey, NULL);
}

void guest_start(const struct start_info *info, uint64_t boot_rsp)
{
    bool has_memory = memory_init(info, boot_rsp);

    shared_info = page_map(info->shared_info >> 12);
    shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
    console_init(info);
    if (!has_memory)
        guest_fail("the guest's memory cannot be mapped");
    take_traps();
    // Where the stack ends in a page that cannot be written, going on is a fault and not a riddle.
    (void)page_protect(guest_stack, false);
    store_init(info);
    watch_shutdown();
    guest_main((const char *)info->cmd_line);
    guest_end(GUEST_POWEROFF);
}
