// SPDX-License-Identifier: MIT
/*
 * A PV guest: what core's domain and vCPU need beside. The generic struct stands first, so that a struct vcpu * of a PV
 * domain is a struct pv_vcpu *. asm_offsets.c exports what entry.S reads.
 *
 * 64-bit PV: guest kernel and guest user both run in ring 3, each with an L4 table of its own; which of the two a vCPU is
 * in is `in_kernel`. The user's GS base and the kernel's change places at each switch (SWAPGS). The real RFLAGS of a guest
 * always has IF set and IOPL 0; its virtual IF is vcpu_info.evtchn_upcall_mask, its virtual IOPL `iopl`.
 */
#pragma once
#include "core/hypercall.h"
#include "cpu/fpu.h"
#include "cpu/regs.h"

#define GDT_FRAMES     14                 /* guest's descriptor frames below ours: FIRST_RESERVED_GDT_PAGE */
#define LDT_FRAMES     16
#define CPU_FEATURE_WORDS 19u
#define NO_CPU         UINT32_MAX

/* RFLAGS that a guest may give itself: the arithmetic flags, TF, DF, NT, RF, AC, ID. */
#define GUEST_FLAGS_ALLOWED ((uint64_t)0x254dd5)

/* Flag of where the guest's kernel wants to be entered: its trap table's rows, and callbacks alike. */
#define TI_MASK_EVENTS 4u

struct pv_vcpu {
    struct vcpu vcpu;                     /* first */

    /* Read and written by entry.S and trap_bounce.c on the CPU that runs the vCPU. */
    uint8_t in_kernel;
    uint8_t fpu_ts;                       /* the guest set CR0.TS */
    uint8_t nmi_pending, nmi_masked;
    uint8_t iopl;                         /* 0..3, virtual */
    uint64_t cr3_kernel, cr3_user;        /* machine addresses; user 0: none. Referenced, typed L4 */
    uint64_t kernel_sp;                   /* where a trap from user mode starts to push */
    struct trap_info syscall_cb, syscall32_cb, sysenter_cb, event_cb, failsafe_cb, nmi_cb;
    struct trap_info traps[256];          /* address: canonical, 0: none */

    /* State that the CPU holds while the vCPU is loaded, saved here while it is not. */
    struct cpu_user_regs regs;
    uint64_t fs_base, gs_base_kernel, gs_base_user;
    uint64_t ctrlreg4;                    /* guest's CR4 bits */
    uint64_t cr2;
    uint32_t tsc_aux;
    uint64_t debugreg[8];                 /* 0-3, 6, 7: checked; 5 unused */
    struct fpu_state *fpu;
    unsigned state_cpu;                   /* CPU whose registers still hold this state while it is `loaded` there; NO_CPU */

    /* pv_time.c: what the guest was told last. */
    uint32_t time_version;                /* of its vcpu_time_info: ours, the guest's copy is never read */
    uint32_t time_params_version;
    unsigned time_cpu;

    /* Descriptor tables: this vCPU's window slot, and what it maps. Under the domain's page_lock. */
    unsigned window;
    unsigned window_cpu;                  /* whose descriptor page the window shows; NO_CPU: none yet */
    pte_t *window_l1;                     /* the entries that map the window: 16 of the GDT, 16 of the LDT */
    uint32_t gdt_entries;                 /* guest's part */
    struct frame *gdt_frame[GDT_FRAMES];
    uint64_t ldt_base;
    uint32_t ldt_entries;
    uint64_t ldt_wait_end;           /* until when it waits for another vCPU to let go of an LDT's page */
    struct frame *ldt_frame[LDT_FRAMES];  /* NULL: a hole */

    /* I/O permission bitmap of user mode: PHYSDEVOP_set_iobitmap. Guest address of it; 0: none. */
    uint64_t iobmp;
    uint32_t iobmp_limit;
};

struct pv_domain {
    struct domain domain;                 /* first */
    struct spinlock page_lock;            /* page-table contents and table types of this domain; and: */
    struct frame *unfinished;             /* a tree whose demotion was preempted (pv/page_type.h) */
    uint32_t cpu_lacks[CPU_FEATURE_WORDS];   /* of the ABI's featureset: what its CPU does not show (pv/cpuid.c) */
    uint32_t pci_address;                 /* what the control domain wrote to port 0xcf8 last */
};

static inline struct trap_info pv_entry(uint64_t address, uint64_t masks_events)
{
    return (struct trap_info){ .address = address, .flags = masks_events ? TI_MASK_EVENTS : 0 };
}

static inline struct pv_vcpu *pv_vcpu(struct vcpu *v)
{
    return (struct pv_vcpu *)v;
}

static inline struct pv_domain *pv_domain(struct domain *d)
{
    return (struct pv_domain *)d;
}

/* As a guest's code may load it: of ring 3, or null. */
static inline uint16_t ring3_selector(uint64_t selector)
{
    return (uint16_t)(selector & ~UINT64_C(3) ? selector | 3 : 0);
}

/* Copy from the kernel's address space, whichever the vCPU is in now (emulate.c). 0 or -XEN_EFAULT. */
int pv_copy_from_kernel(const struct pv_vcpu *v, void *to, uint64_t from, size_t size);

/* trap_bounce.c: hand the guest an exception, as hardware would to a kernel. regs become those at the handler's entry. */
#define BOUNCE_ERROR_CODE  1u
void pv_inject_trap(struct cpu_user_regs *regs, unsigned vector, uint32_t error, unsigned flags);
void pv_inject_page_fault(struct cpu_user_regs *regs, uint64_t cr2, uint32_t error);
/* Call the event callback or a pending NMI's if the guest can take it now. */
void pv_deliver_pending(struct pv_vcpu *v, struct cpu_user_regs *regs);

/*
 * guest_trap.c: INT n, INT3, INTO, `length` bytes long and behind rip already: as a gate would, the guest's table lets it
 * pass or not.
 */
void pv_software_interrupt(struct pv_vcpu *v, struct cpu_user_regs *regs, unsigned vector,
                           unsigned length);
/* emulate.c: a #GP or #UD from guest code. True: dealt with (regs moved on, or a trap injected). */
bool pv_emulate_gp(struct pv_vcpu *v, struct cpu_user_regs *regs);
bool pv_emulate_ud(struct pv_vcpu *v, struct cpu_user_regs *regs);
/* Up to INSN_MAX bytes of code at `va`, fetched once; how many there were: fewer if the next page is not there. */
unsigned pv_fetch(uint8_t *bytes, uint64_t va);
/* pt_write_fault.c: a write fault by the guest kernel on a read-only page: emulate if the page is an L1 table. */
bool pv_pt_write_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va);
/* guest_descriptor.c: unmap all pages of a table; page_lock held. */
void pv_ldt_drop(struct pv_vcpu *v);
void pv_gdt_drop(struct pv_vcpu *v);

/* callbacks.c: make *value what debug register `reg` (0-3, 6, 7) would hold; false if a guest must not have it. */
bool pv_debugreg_check(unsigned reg, uint64_t *value);

/* --- context.c: which vCPU's state the CPU holds, and when it lets go of it ------------------------------------ */

/* What SOFTIRQ_VCPU does. */
void pv_vcpu_softirq(void);
/* CR4 and DR0-7 of the current vCPU as its saved state says: after that has changed. */
void pv_load_cr4(const struct pv_vcpu *v);
void pv_load_debug_registers(const struct pv_vcpu *v);
/* Make every CPU forget what it still holds of a domain none of whose vCPUs runs. Interrupts on. */
void pv_drop_loaded(struct domain *d);

/* --- pv_time.c: time as a PV guest reads it -------------------------------------------------------------------- */

/*
 * Write the current vCPU's time parameters anew if this CPU's have changed since: on the way out to
 * it, in either address space.
 */
void pv_time_refresh(struct pv_vcpu *v);

/* --- guest_descriptor.c: a vCPU's descriptor window, where the CPU reads its GDT and LDT (mm/layout.h) ---------- */

/* Take a window slot for a new vCPU: -XEN_ENOMEM, or 0. Given back when no CPU has it loaded. */
int pv_window_create(struct pv_vcpu *v);
void pv_window_destroy(struct pv_vcpu *v);
/*
 * Let the window show `cpu`'s reserved descriptors; interrupts off, the window not loaded anywhere.
 */
void pv_window_set_cpu(struct pv_vcpu *v, unsigned cpu);

static inline uint64_t pv_window_address(const struct pv_vcpu *v)
{
    return DESC_WINDOW_START + (uint64_t)v->window * DESC_WINDOW_SIZE;
}

/*
 * Make *descriptor fit for a guest: code and data get DPL 3; false for what no guest may have
 * (gates, TSS, LDT). What is not present is harmless.
 */
bool pv_descriptor_sanitise(uint64_t *descriptor);
/*
 * Take `entries` descriptors in the frames `mfns` as v's GDT: all or nothing, the old one goes.
 * -XEN_EINVAL. v is current or does not run.
 */
int pv_set_gdt(struct pv_vcpu *v, const uint64_t *mfns, uint32_t entries);
/* Base and mode of the code segment `selector`, as the loaded tables have it; false if it is none. Current vCPU. */
bool pv_code_segment(const struct pv_vcpu *v, uint16_t selector, uint64_t *base, bool *long_mode);

/* --- Policy: what a guest's kernel sees of CPUID and MSRs (cpuid.c, msr.c), and of ports (ports.c) --------------- */

/* The leaf as the guest's forced CPUID shows it. */
/* Before the first guest is made. */
void cpuid_init(void);
struct cpuid pv_cpuid(const struct pv_vcpu *v, uint32_t leaf, uint32_t subleaf);
/* 0, or -XEN_EINVAL: the guest gets #GP. */
int pv_read_msr(struct pv_vcpu *v, uint32_t msr, uint64_t *value);
int pv_write_msr(struct pv_vcpu *v, uint32_t msr, uint64_t value);
/* Fill a page with the ABI's hypercall stubs, 32 bytes each; one of d's own: -XEN_EACCES if it can not be written. */
void pv_write_hypercall_page(void *page);
int pv_give_hypercall_page(struct domain *d, uint64_t gfn);
/* By virtual IOPL: may the current context use ports and CLI? */
static inline bool pv_iopl_allows(const struct pv_vcpu *v)
{
    return v->iopl >= (v->in_kernel ? 1 : 3);
}
/* May the current context use `size` ports from `port` on? By IOPL, or by the user's permission bitmap. */
bool pv_ports_allowed(const struct pv_vcpu *v, unsigned port, unsigned size);
/* Do it: real ports for the control domain, but for those that are ours, where reads are all ones and writes go nowhere. */
uint32_t pv_port_read(struct pv_vcpu *v, unsigned port, unsigned size);
void pv_port_write(struct pv_vcpu *v, unsigned port, unsigned size, uint32_t value);

/* Give vCPU 0 its first context: kernel mode, events masked, tables at `l4`. 0 or why the table is refused. */
int pv_boot_vcpu(struct pv_domain *d, mfn_t l4, uint64_t entry, uint64_t stack,
                 uint64_t start_info);

/* --- The control operations on PV guests -------------------------------------------------------------------------- */

struct xen_domctl;

/* The state of a vCPU that does not run, as pv_domain.c takes it. */
void pv_get_context(const struct pv_vcpu *v, struct vcpu_guest_context *c);

/*
 * cpuid.c: the rows of guest_domctl about a guest's CPU. What does not fit is -XEN_ENOBUFS; a policy with more than the
 * machine has -XEN_EINVAL, and err_* say where.
 */
int pv_get_cpu_policy(struct domain *d, struct xen_domctl *op);
int pv_set_cpu_policy(struct domain *d, struct xen_domctl *op);

hypercall_fn do_set_trap_table, do_mmu_update, do_set_gdt, do_stack_switch, do_set_callbacks,
    do_fpu_taskswitch, do_set_debugreg, do_get_debugreg, do_update_descriptor, do_update_va_mapping,
    do_update_va_mapping_otherdomain, do_iret, do_set_segment_base, do_mmuext_op, do_callback_op;
