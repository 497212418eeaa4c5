// SPDX-License-Identifier: MIT
// lib/spinlock_debug.c, compiled as in a debug build: right use passes, and each kind of wrong use
// ends in a failed assertion that says so.
#include <string.h>

#include "fake_machine.h"
#include "lib/spinlock.h"
#include "unit_main.h"

static struct spinlock outer = SPINLOCK_INIT(LOCK_DOMAIN_CONTROL);
static struct spinlock inner = SPINLOCK_INIT(LOCK_PAGE_ALLOC);
static struct spinlock twin = SPINLOCK_INIT(LOCK_PAGE_ALLOC);
static struct spinlock innermost = SPINLOCK_INIT(LOCK_CONSOLE);

static void take(void *lock)
{
    spin_lock(lock);
}

static void release(void *lock)
{
    spin_unlock(lock);
}

static void right_order(void)
{
    spin_lock(&outer);
    spin_lock(&inner);
    spin_lock(&innermost);
    spin_unlock(&outer);
    spin_unlock(&innermost);
    CU_ASSERT(spin_debug_is_mine(&inner));
    CU_ASSERT(fake_catches_panic(take, &outer));
    spin_lock(&innermost);
    spin_unlock(&innermost);
    spin_unlock(&inner);
    CU_ASSERT_FALSE(fake_catches_panic(take, &outer));
    spin_unlock(&outer);
}

static void wrong_order(void)
{
    spin_lock(&inner);
    CU_ASSERT(fake_catches_panic(take, &outer));
    CU_ASSERT_FALSE(spin_is_locked(&outer));
    CU_ASSERT(fake_catches_panic(take, &twin));
    spin_unlock(&inner);
    CU_ASSERT_FALSE(fake_catches_panic(take, &outer));
    spin_unlock(&outer);
}

// The outer lock was released in between, but the one below it still counts.
static void wrong_order_after_release(void)
{
    spin_lock(&inner);
    spin_lock(&innermost);
    spin_unlock(&inner);
    CU_ASSERT(fake_catches_panic(take, &inner));
    spin_unlock(&innermost);
}

static void recursion(void)
{
    spin_lock(&inner);
    CU_ASSERT(fake_catches_panic(take, &inner));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_panic_text, "is_mine"));
    spin_unlock(&inner);
}

static void tried_locks(void)
{
    spin_lock(&inner);
    CU_ASSERT(spin_trylock(&outer));
    CU_ASSERT(spin_trylock(&twin));
    spin_unlock(&twin);
    spin_unlock(&outer);
    spin_unlock(&inner);
}

static void pairs(void)
{
    spin_lock_pair(&twin, &inner);
    CU_ASSERT(spin_debug_is_mine(&twin) && spin_debug_is_mine(&inner));
    spin_unlock_pair(&twin, &inner);
    spin_lock_pair(&inner, &twin);
    spin_unlock_pair(&twin, &inner);
}

static void other_cpu(void)
{
    spin_lock(&inner);
    fake_cpu = 3;
    CU_ASSERT_FALSE(spin_debug_is_mine(&inner));
    CU_ASSERT(fake_catches_panic(release, &inner));
    CU_ASSERT_FALSE(fake_catches_panic(take, &outer));
    spin_unlock(&outer);
    fake_cpu = 0;
    spin_unlock(&inner);
    CU_ASSERT(fake_catches_panic(release, &inner));
}

static const struct unit_test tests[] = {
    { "right_order", right_order },
    { "wrong_order", wrong_order },
    { "wrong_order_after_release", wrong_order_after_release },
    { "recursion", recursion },
    { "tried_locks", tried_locks },
    { "pairs", pairs },
    { "other_cpu", other_cpu },
    { NULL, NULL },
};

int main(void)
{
    return unit_main("lock_order", tests);
}
