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
#include "core/domain.h"
#include "cpu/fpu.h"
#include "mm/pte.h"
#include "public/xen.h"

#define GDT_FRAMES     14                 /* guest's descriptor frames below ours: FIRST_RESERVED_GDT_PAGE */
#define LDT_FRAMES     16
#define NO_CPU         UINT32_MAX

/* RFLAGS that a guest may give itself: the arithmetic flags, TF, DF, NT, RF, AC, ID. */
#define GUEST_FLAGS_ALLOWED ((uint64_t)0x254dd5)

struct pv_trap {                          /* checked copy of struct trap_info */
    uint64_t address;                     /* canonical, 0: none */
    uint16_t cs;                          /* RPL forced to 3 */
    uint8_t flags;                        /* TI_GET_DPL, TI_GET_IF as given */
};

struct pv_callback {
    uint64_t address;
    bool mask_events;
};

struct pv_vcpu {
    struct vcpu vcpu;                     /* first */

    /* Read and written by entry.S and trap_bounce.c on the CPU that runs the vCPU. */
    uint8_t in_kernel;
    uint8_t fpu_ts;                       /* the guest set CR0.TS */
    uint8_t nmi_pending, nmi_masked;
    uint8_t iopl;                         /* 0..3, virtual */
    uint64_t cr3_kernel, cr3_user;        /* machine addresses; user 0: none. Referenced, typed L4 */
    uint64_t kernel_sp;                   /* where a trap from user mode starts to push */
    uint64_t kernel_ss;
    struct pv_callback syscall_cb, syscall32_cb, sysenter_cb, event_cb, failsafe_cb, nmi_cb;
    struct pv_trap traps[256];

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
    struct frame *ldt_frame[LDT_FRAMES];  /* mapped on demand by the first fault on each page */

    /* I/O permission bitmap of user mode: PHYSDEVOP_set_iobitmap. Guest address of it; 0: none. */
    uint64_t iobmp;
    uint32_t iobmp_limit;
};

struct pv_domain {
    struct domain domain;                 /* first */
    struct spinlock page_lock;            /* page-table contents and table types of this domain; and: */
    struct frame *unfinished;             /* a tree whose demotion was preempted (pv/page_type.h) */
    bool io_ports_all;                    /* control domain: all ports but ours */
    uint32_t pci_address;                 /* what it wrote to port 0xcf8 last */
};

static inline struct pv_vcpu *pv_vcpu(struct vcpu *v)
{
    return (struct pv_vcpu *)v;
}

static inline struct pv_domain *pv_domain(struct domain *d)
{
    return (struct pv_domain *)d;
}

/* Copy from the kernel's address space, whichever the vCPU is in now (emulate.c). 0 or -XEN_EFAULT. */
int pv_copy_from_kernel(const struct pv_vcpu *v, void *to, uint64_t from, size_t size);

/* trap_bounce.c: hand the guest an exception, as hardware would to a kernel. regs become those at the handler's entry. */
#define BOUNCE_ERROR_CODE  1u
void pv_inject_trap(struct cpu_user_regs *regs, unsigned vector, uint32_t error, unsigned flags);
void pv_inject_page_fault(struct cpu_user_regs *regs, uint64_t cr2, uint32_t error);
/* Call the event callback or a pending NMI's if the guest can take it now. */
void pv_deliver_pending(struct pv_vcpu *v, struct cpu_user_regs *regs);

/* emulate.c: a #GP or #UD from guest code. True: dealt with (regs moved on, or a trap injected). */
bool pv_emulate_gp(struct pv_vcpu *v, struct cpu_user_regs *regs);
bool pv_emulate_ud(struct pv_vcpu *v, struct cpu_user_regs *regs);
/* pt_write_fault.c: a write fault by the guest kernel on a read-only page: emulate if the page is an L1 table. */
/* Up to INSN_MAX bytes of code at `va`, fetched once; how many there were: fewer if the next page is not there. */
unsigned pv_fetch(uint8_t *bytes, uint64_t va);
bool pv_pt_write_fault(struct pv_vcpu *v, struct cpu_user_regs *regs, uint64_t va);
/* guest_descriptor.c: a fault in the LDT window: map the page that it needs. */
bool pv_ldt_fault(struct pv_vcpu *v, uint32_t offset);
void pv_ldt_drop(struct pv_vcpu *v);        /* unmap all LDT pages; page_lock held */
void pv_gdt_drop(struct pv_vcpu *v);

long do_set_trap_table(uint64_t traps, uint64_t, uint64_t, uint64_t, uint64_t);
long do_mmu_update(uint64_t reqs, uint64_t count, uint64_t done, uint64_t foreigndom, uint64_t);
long do_set_gdt(uint64_t frames, uint64_t entries, uint64_t, uint64_t, uint64_t);
long do_stack_switch(uint64_t ss, uint64_t sp, uint64_t, uint64_t, uint64_t);
long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall, uint64_t, uint64_t);
long do_fpu_taskswitch(uint64_t set, uint64_t, uint64_t, uint64_t, uint64_t);
long do_set_debugreg(uint64_t reg, uint64_t value, uint64_t, uint64_t, uint64_t);
long do_get_debugreg(uint64_t reg, uint64_t, uint64_t, uint64_t, uint64_t);
long do_update_descriptor(uint64_t maddr, uint64_t desc, uint64_t, uint64_t, uint64_t);
long do_update_va_mapping(uint64_t va, uint64_t val, uint64_t flags, uint64_t, uint64_t);
long do_update_va_mapping_otherdomain(uint64_t va, uint64_t val, uint64_t flags, uint64_t domid, uint64_t);
long do_iret(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
long do_set_segment_base(uint64_t which, uint64_t base, uint64_t, uint64_t, uint64_t);
long do_mmuext_op(uint64_t ops, uint64_t count, uint64_t done, uint64_t foreigndom, uint64_t);
long do_callback_op(uint64_t cmd, uint64_t arg, uint64_t, uint64_t, uint64_t);
