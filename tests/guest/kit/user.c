// SPDX-License-Identifier: MIT
/*
 * User mode of a test kernel: one root of its own with a code, a stack and a data page. user_run goes
 * there by HYPERVISOR_iret and comes back at the first trap or system call; user_exit is the frame.
 */
#include "kit/kit.h"

uint64_t *l4_user;
uint8_t *user_code, *user_data;
static uint8_t trap_stack[16384] __attribute__((aligned(16)));

static uint64_t *table_of(const void *table)
{
    uint64_t *t = page_alloc();

    t[0] = va_to_machine(table) | PTE_RW | PTE_U;
    return t;
}

static uint64_t *user_l1(uint8_t *stack)
{
    uint64_t *l1 = page_alloc();

    l1[USER_CODE / PAGE_SIZE % 512] = va_to_machine(user_code) | PTE_RW | PTE_U;
    l1[(USER_STACK_TOP - 1) / PAGE_SIZE % 512] = va_to_machine(stack) | PTE_RW | PTE_U;
    l1[USER_DATA / PAGE_SIZE % 512] = va_to_machine(user_data) | PTE_RW | PTE_U;
    page_protect(l1, false);
    return l1;
}

void user_init(void)
{
    uint64_t *l2, *l3;

    if (!l4_user) {
        user_code = page_alloc();
        user_data = page_alloc();
        l2 = page_alloc();
        l2[USER_CODE >> 21] = va_to_machine(user_l1(page_alloc())) | PTE_RW | PTE_U;
        page_protect(l2, false);
        l3 = table_of(l2);
        page_protect(l3, false);
        l4_user = table_of(l3);
        page_protect(l4_user, false);
        CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4_user), 0), 0);
    }
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4_user), 0), 0);
    CHECK_EQ(hyp_stack_switch(FLAT_KERNEL_SS, (uint64_t)trap_stack + sizeof(trap_stack)), 0);
}

void user_load(const void *code, size_t size)
{
    user_init();
    memcpy(user_code, code, size);
}

struct frame user_frame(void)
{
    return (struct frame){ .rip = USER_CODE, .cs = FLAT_USER_CS, .rflags = 0x202, .rsp = USER_STACK_TOP,
                           .ss = FLAT_USER_SS };
}

int user_run_frame(struct frame *f)
{
    memset(&user_exit, 0, sizeof(user_exit));
    return (int)user_enter(f);
}

int user_run(uint64_t rdi, uint64_t rsi, uint64_t rflags)
{
    struct frame f = user_frame();

    f.rdi = rdi;
    f.rsi = rsi;
    f.rflags = rflags;
    return user_run_frame(&f);
}
