// SPDX-License-Identifier: MIT
/*
 * The kit that every test kernel is made of: a paravirtual 64-bit kernel in one address space, which
 * runs as the control domain with nothing else on the machine. A test is a table of functions; each
 * function makes checks and returns. A fault nobody expected fails the function, not the run.
 * The kit must work on any hypervisor of this ABI: it asks for nothing beyond the public headers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "public/xen.h"
#include "public/callback.h"
#include "public/domctl.h"
#include "public/errno.h"
#include "public/event_channel.h"
#include "public/features.h"
#include "public/grant_table.h"
#include "public/memory.h"
#include "public/physdev.h"
#include "public/platform.h"
#include "public/sched.h"
#include "public/sysctl.h"
#include "public/vcpu.h"
#include "public/version.h"

#include "guest/clock.h"
#include "guest/libc.h"
#include "guest/memory.h"
#include "kit/asm.h"

#define PTE_P 0x001ul
#define PTE_W 0x002ul
#define PTE_U 0x004ul
#define PTE_PWT 0x008ul
#define PTE_PCD 0x010ul
#define PTE_A 0x020ul
#define PTE_D 0x040ul
#define PTE_PSE 0x080ul
#define PTE_G 0x100ul
#define PTE_NX (1ul << 63)
#define PTE_RW (PTE_P | PTE_W | PTE_A | PTE_D)
#define PTE_RO (PTE_P | PTE_A)
#define MFN_NONE (1ul << 39)            /* a frame beyond what any machine of ours can address */
#define PTE_MFN(e) (((e) >> 12) & ((1ul << 40) - 1))

/* What a bounce frame looks like once the stubs have saved the rest. */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* ---- print.c ---- */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- mem.c ---- */
extern struct start_info *start_info;
extern struct shared_info *shared_info;
extern unsigned long nr_pages;          /* pages of the domain that the direct map reaches */
extern uint64_t boot_tsc;

bool str_has(const char *s, const char *what);

void mem_init(struct start_info *si, uint64_t boot_rsp);
void *page_alloc(void);                 /* zeroed, mapped writable in the direct map */
void page_free(void *va);               /* must be an ordinary writable page again */
unsigned long va_to_mfn(const void *va);
uint64_t va_to_machine(const void *va);
void *mfn_to_va(unsigned long mfn);
extern uint64_t *l4_kernel;             /* the root this domain booted on */

uint64_t *pte_of(uint64_t *l4, uint64_t va, int level);  /* slot at that level, or NULL if not there */
uint64_t pte_get(const void *va);       /* L1 entry that maps va in the kernel's root */
int pte_set(const void *va, uint64_t pte);               /* update_va_mapping, this page flushed */
void *page_table_alloc(void);           /* zeroed page, mapped read-only: fit to be a table */
void page_table_free(void *va);         /* unpinned by now: writable again, back to the allocator */
void *window(void);                     /* a fresh page of address space with an L1 slot, not mapped */
int mmu_write(uint64_t ptr, uint64_t val);               /* one mmu_update for this domain */
int mmuext(unsigned int cmd, uint64_t arg1, uint64_t arg2);

/* ---- trap.c ---- */
struct fault {
    int vector;                         /* -1: none */
    uint64_t error, cr2, rip, rflags;
    int count;
};
struct catch { uint64_t rip, rsp, rbx, rbp, r12, r13, r14, r15; };

extern struct fault fault;              /* what the last TRY saw */
extern uint64_t fault_resume;           /* where an expected fault goes on; 0: none is expected */
extern int (*frame_hook)(struct frame *f);               /* sees every frame first; nonzero: handled */
extern void (*event_hook)(void);        /* called by the upcall with events masked */
extern volatile unsigned long nr_upcalls;
extern uint64_t entry_rflags;           /* what RFLAGS was on the last entry by a bounce frame */
extern struct user_exit { struct frame f; uint64_t cr2; } user_exit;

void trap_init(void);
int trap_table_set(int vector, int dpl, bool mask_events);
void trap_restore(void);                /* the whole table and callbacks as trap_init left them */
unsigned long read_cr2(void);
int catch_set(struct catch *c) __attribute__((returns_twice));
void catch_throw(struct catch *c) __attribute__((noreturn));

/*
 * Runs one instruction (or a few); fault.vector is -1 or what it raised. What follows the text is as
 * in asm, from the outputs on. The fixup is an absolute 32-bit address, so it needs no register.
 */
#define TRY(insn, ...)                                                          \
    do {                                                                        \
        fault_arm();                                                            \
        __asm__ volatile("movq $771f, fault_resume\n\t" insn "\n771:\n\t"       \
                         "movq $0, fault_resume" : __VA_ARGS__);                \
    } while (0)
#define TRY0(insn) TRY(insn, : : "memory", "rax", "rbx", "rcx", "rdx")
void fault_arm(void);

/* ---- user.c ---- */
#define USER_CODE 0x400000ul
#define USER_STACK_TOP 0x402000ul
#define USER_DATA 0x402000ul
extern uint64_t *l4_user;
extern uint8_t *user_code, *user_data;  /* the same pages, seen by the kernel */
void user_init(void);
void user_load(const void *code, size_t size);
/* Runs user code at USER_CODE with these; returns the vector that ended it (VEC_SYSCALL for syscall). */
int user_run(uint64_t rdi, uint64_t rsi, uint64_t rflags);
int user_run_frame(struct frame *f);
struct frame user_frame(void);
#define USER_CODE_BEGIN(name) __asm__(".pushsection .rodata\n" #name "_code:\n"
#define USER_CODE_END(name)                                                     \
    "\n" #name "_code_end:\n.popsection\n");                                    \
    extern const uint8_t name##_code[], name##_code_end[];
#define user_load_code(name) user_load(name##_code, (size_t)(name##_code_end - name##_code))
long user_enter(const struct frame *f);
void user_leave(long value) __attribute__((noreturn));

/* ---- event.c ---- */
extern struct vcpu_info *vcpu0_info;   /* in the shared page, till a test registers another place */
void events_mask(void);
void events_unmask(void);
bool event_pending(unsigned int port);
void event_clear(unsigned int port);
void event_masked(unsigned int port, bool masked);
int event_op(int cmd, void *arg);
int event_alloc_unbound(unsigned int dom, unsigned int remote);
int event_bind_ipi(unsigned int vcpu);
int event_bind_virq(unsigned int virq, unsigned int vcpu);
int event_send(unsigned int port);
int event_close(unsigned int port);
uint64_t now_ns(void);                  /* system time, from the vCPU's time record */
void delay_ns(uint64_t ns);

/* ---- grant.c ---- */
extern struct grant_entry_v1 *grants;
extern unsigned int nr_grants;
void grant_init(unsigned int nr_frames);                 /* at most 8; grows what is there */
void grant_set(unsigned int ref, unsigned int flags, unsigned int dom, const void *page);

/* ---- smp.c ---- */
/* Starts the second vCPU on a function and waits till it runs; -1 when there is only one. */
int smp_start(void (*fn)(void));
int smp_stop(void);                     /* waits till that function has returned and the vCPU is down */
int smp_context(struct vcpu_guest_context *ctxt, void *entry, void *stack_top);

/* ---- domain.c ---- */
#define MAX_GUEST_PAGES 1024u
struct guest {                          /* a domain that runs this kernel too, and there guest_main() */
    unsigned int id;
    unsigned int nr_pages;
    unsigned int nr_vcpus;
    const char *cmd_line;
    xen_pfn_t frame[MAX_GUEST_PAGES];   /* of each of its pages */
    unsigned int first_table, nr_tables;    /* its page tables, the root last */
};
struct xen_domctl domctl_request(uint32_t cmd, unsigned int domid);
long domctl(struct xen_domctl *op);
long domctl_simple(uint32_t cmd, unsigned int domid);
long sysctl(struct xen_sysctl *op, uint32_t cmd);
uint64_t machine_free_pages(void);
bool free_pages_come_back(uint64_t pages);              /* waits for them a little */
bool domain_exists(unsigned int domid);
uint32_t domain_flags(unsigned int domid);              /* 0: there is none */
int foreign_map(void *va, unsigned int domid, uint64_t pte);
/* Builds it from this kernel's image as a toolstack would; paused. What is filled in before: id, nr_*, cmd_line. */
void guest_build(struct guest *g);
/* What a topic's kernel does as a domain that guest_build(), or another toolstack, made; its test table is not run. */
void guest_main(void) __attribute__((weak));

/* ---- test.c ---- */
struct test { const char *name; void (*fn)(void); };
extern const char test_title[];
extern const struct test tests[];
extern bool on_xen;                     /* the oracle: where it differs for a reason, tests say why */

void check(bool ok, const char *what);
void check_eq(long got, long want, const char *what);
/* A value where Xen 4.17 differs; 'why' says what justifies ours. */
void check_eq_xen(long got, long want, long xen, const char *what, const char *why);
void check_fault(int vector, long error, const char *what);     /* error -1: any */
void test_skip(const char *why);
bool test_has_failed(void);             /* this test, so far */
void test_leave(void) __attribute__((noreturn));         /* ends this test (it has failed already) */
void unexpected(struct frame *f) __attribute__((noreturn));
void finish(void) __attribute__((noreturn));

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define HERE "line " TEXT(__LINE__) ": "
#define CHECK(cond) check(cond, HERE #cond)
#define CHECK_EQ(got, want) check_eq((long)(got), (long)(want), HERE #got)
#define TESTS(title, ...)                                                       \
    const char test_title[] = title;                                            \
    const struct test tests[] = { __VA_ARGS__, { NULL, NULL } }
#define TEST(fn) { #fn, fn }

#include "kit/hypercall.h"
