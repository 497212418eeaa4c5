// SPDX-License-Identifier: MIT
/* Restarting hypercalls, the dispatcher of sub-operations, and multicall. The table is in pv/hypercall_table.c. */
#include "core/hypercall.h"

#include "cpu/guest_word.h"

/* Arguments to be called with again: noted by a handler, used right after it returns, on the same CPU. */
struct restart { uint64_t args[5]; };
static DEFINE_PER_CPU(struct restart, restart);

long hypercall_restart(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    this_cpu(restart) = (struct restart){ { a1, a2, a3, a4, a5 } };
    return HYPERCALL_RESTART;
}

void hypercall_write_back(struct cpu_user_regs *regs)
{
    const struct restart *r = &this_cpu(restart);

    regs->rdi = r->args[0];
    regs->rsi = r->args[1];
    regs->rdx = r->args[2];
    regs->r10 = r->args[3];
    regs->r8 = r->args[4];
    regs->rip -= 2;                     /* the SYSCALL instruction */
}

static NOINLINE long call_locked(const struct subop *row, struct vcpu *v, void *arg)
{
    long rc;

    spin_lock(&v->domain->lock);
    rc = row->handler(v, arg);
    spin_unlock(&v->domain->lock);
    return rc;
}

static NOINLINE long call_for_target(const struct subop *row, void *arg)
{
    struct domain *d;
    long rc = domain_target(*(const domid_t *)arg, &d);

    if (rc)
        return rc;
    rc = row->handler(d->vcpu[0], arg);
    domain_untarget(d);
    return rc;
}

long subop_dispatch(const struct subop *table, unsigned rows, struct vcpu *v, uint64_t cmd, uint64_t arg)
{
    union { uint64_t address; uint8_t bytes[SUBOP_MAX_SIZE]; } copy;
    const struct subop *row;
    long rc;

    if (cmd >= rows || !table[cmd].handler)
        return -XEN_ENOSYS;
    row = &table[cmd];
    if (row->flags & SUBOP_DOM0 && !current_domain()->is_control)
        return -XEN_EPERM;
    copy.address = arg;
    if (row->flags & SUBOP_IN && copy_from_guest(&copy, arg, row->size))
        return -XEN_EFAULT;
    if (likely(!(row->flags & (SUBOP_LOCKED | SUBOP_TARGET))))
        rc = row->handler(v, &copy);
    else
        rc = row->flags & SUBOP_LOCKED ? call_locked(row, v, &copy) : call_for_target(row, &copy);
    if (rc >= 0 && row->flags & SUBOP_OUT && copy_to_guest(arg, &copy, row->size))
        return -XEN_EFAULT;
    return rc;
}

long control_dispatch(const struct subop *table, unsigned rows, uint32_t version, uint64_t arg)
{
    struct { uint32_t cmd, version; } head;

    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (copy_from_guest(&head, arg, sizeof(head)))
        return -XEN_EFAULT;
    if (head.version != version)
        return -XEN_EACCES;
    return subop_dispatch(table, rows, current_vcpu(), head.cmd, arg + sizeof(head));
}

/* --- Multicall ------------------------------------------------------------------------------------------------- */

/* A list in a list, and what leaves the context that the list belongs to, have no place in one. */
#define FORBIDDEN_IN_LIST (UINT64_C(1) << __HYPERVISOR_multicall | UINT64_C(1) << __HYPERVISOR_iret)

#define CALLS_PER_LOOK 8u

/* The entry at `at` restarts: it is written back with the arguments to go on with, and the list goes on from there. */
static NOINLINE long restart_list(uint64_t at, uint64_t nr)
{
    const struct restart *r = &this_cpu(restart);

    if (copy_to_guest(at + offsetof(struct multicall_entry, args), r->args, sizeof(r->args)))
        return -XEN_EFAULT;
    return hypercall_restart(at, nr, 0, 0, 0);
}

long do_multicall(uint64_t at, uint64_t nr, UNUSED_FROM_3)
{
    struct vcpu *v = current_vcpu();

    for (; nr; at += sizeof(struct multicall_entry)) {
        struct multicall_entry call;
        long rc;

        if (!guest_range_ok(at, sizeof(call)) || !guest_load_call(&call, at))
            return -XEN_EFAULT;
        rc = -XEN_ENOSYS;
        if (call.op < NR_HYPERCALLS && !(FORBIDDEN_IN_LIST >> call.op & 1)) {
            v->calls[call.op]++;
            rc = hypercall_table[call.op](call.args[0], call.args[1], call.args[2], call.args[3], call.args[4]);
        }
        if (unlikely(rc == HYPERCALL_RESTART))
            return restart_list(at, nr);
        if (!guest_store_word(at + offsetof(struct multicall_entry, result), (uint64_t)rc))
            return -XEN_EFAULT;
        if (--nr % CALLS_PER_LOOK == 0 && nr && preempt_wanted())
            return hypercall_restart(at + sizeof(call), nr, 0, 0, 0);
    }
    return 0;
}
