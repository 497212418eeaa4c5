// SPDX-License-Identifier: MIT
// Whose tables and frames an MMU operation names: permission, references, and none left behind.
#include "fake_machine.h"
#include "lib/string.h"
#include "pv/pv_mmu.h"
#include "public/errno.h"
#include "unit_main.h"

#define DOMAINS 3u
#define TABLES(id) ((uint32_t)((id) + 1) << 16)

static struct pv_domain domains[DOMAINS];
static struct pv_vcpu vcpu;
static struct foreign who;

struct domain *domain_get_by_id(unsigned id)
{
    if (id >= DOMAINS)
        return NULL;
    domains[id].domain.refs++;
    return &domains[id].domain;
}

void domain_put(struct domain *d)
{
    d->refs--;
}

static int get(unsigned caller, uint32_t foreigndom)
{
    memset(domains, 0, sizeof(domains));
    for (unsigned i = 0; i < DOMAINS; i++)
        domains[i].domain.id = (uint16_t)i;
    domains[0].domain.is_control = true;
    vcpu.vcpu.domain = &domains[caller].domain;
    fake_current[0] = &vcpu.vcpu;
    return foreign_get(&who, foreigndom);
}

static unsigned refs(void)
{
    return (unsigned)(domains[0].domain.refs | domains[1].domain.refs << 4 | domains[2].domain.refs << 8);
}

static void oneself(void)
{
    static const uint32_t words[] = { DOMID_SELF, 1, TABLES(1) | DOMID_SELF, TABLES(1) | 1, TABLES(DOMID_SELF) | 1 };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CU_ASSERT_EQUAL(get(1, words[i]), 0);
        CU_ASSERT_PTR_EQUAL(who.tables, &domains[1]);
        CU_ASSERT_EQUAL(who.frames_owner, 1);
        CU_ASSERT_EQUAL(refs(), 0);
        foreign_put(&who);
        CU_ASSERT_EQUAL(refs(), 0);
    }
}

static void others_are_not_anybodys(void)
{
    static const uint32_t words[] = { 0, 2, 7, DOMID_IO, DOMID_XEN, TABLES(0) | DOMID_SELF, TABLES(2) | 1, TABLES(9) | 1 };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CU_ASSERT_EQUAL(get(1, words[i]), -XEN_EPERM);
        CU_ASSERT_EQUAL(refs(), 0);
    }
}

static void the_control_domain(void)
{
    CU_ASSERT_EQUAL(get(0, 2), 0);
    CU_ASSERT_PTR_EQUAL(who.tables, &domains[0]);
    CU_ASSERT_EQUAL(who.frames_owner, 2);
    CU_ASSERT_EQUAL(refs(), 0x100);
    foreign_put(&who);
    CU_ASSERT_EQUAL(refs(), 0);

    CU_ASSERT_EQUAL(get(0, TABLES(1) | 2), 0);
    CU_ASSERT_PTR_EQUAL(who.tables, &domains[1]);
    CU_ASSERT_EQUAL(who.frames_owner, 2);
    CU_ASSERT_EQUAL(refs(), 0x110);
    foreign_put(&who);
    CU_ASSERT_EQUAL(refs(), 0);

    CU_ASSERT_EQUAL(get(0, DOMID_IO), 0);
    CU_ASSERT_EQUAL(who.frames_owner, DOMID_IO);
    CU_ASSERT_EQUAL(get(0, DOMID_XEN), 0);
    CU_ASSERT_EQUAL(who.frames_owner, DOMID_XEN);
    CU_ASSERT_EQUAL(refs(), 0);
}

static void nobody(void)
{
    CU_ASSERT_EQUAL(get(0, 9), -XEN_ESRCH);
    CU_ASSERT_EQUAL(refs(), 0);
    CU_ASSERT_EQUAL(get(0, TABLES(9) | 2), -XEN_ESRCH);     // the frames' owner was there, and is let go
    CU_ASSERT_EQUAL(refs(), 0);
    CU_ASSERT_EQUAL(get(0, TABLES(2) | 9), -XEN_ESRCH);
    CU_ASSERT_EQUAL(refs(), 0);
    CU_ASSERT_EQUAL(get(0, UINT32_MAX), -XEN_ESRCH);
    CU_ASSERT_EQUAL(refs(), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "oneself", oneself },
        { "others_are_not_anybodys", others_are_not_anybodys },
        { "the_control_domain", the_control_domain },
        { "nobody", nobody },
        { NULL, NULL },
    };

    return unit_main("foreign", tests);
}
