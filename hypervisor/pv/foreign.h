// SPDX-License-Identifier: MIT
/*
 * Whose tables and whose frames an MMU operation is about. The ABI packs both in one word: bits 15..0 the frames' owner,
 * bits 31..16 the tables' owner plus one (0: the caller).
 */
#pragma once
#include "core/domain.h"
#include "lib/types.h"
#include "pv/pv_domain.h"

struct foreign {
    struct pv_domain *tables;
    struct domain *tables_ref;       /* reference held, NULL if the caller itself */
    unsigned frames_owner;
    struct domain *frames_ref;
};

/* 0, -XEN_EPERM (only the control domain may name another), or -XEN_ESRCH. */
int foreign_get_any(struct foreign *who, uint32_t foreigndom);

static inline void foreign_put(const struct foreign *who)
{
    if (unlikely(who->frames_ref))
        domain_put(who->frames_ref);
    if (unlikely(who->tables_ref))
        domain_put(who->tables_ref);
}

static inline int foreign_get(struct foreign *who, uint32_t foreigndom)
{
    if (unlikely(foreigndom != DOMID_SELF))
        return foreign_get_any(who, foreigndom);
    *who = (struct foreign){ .tables = pv_domain(current_domain()), .frames_owner = current_domain()->id };
    return 0;
}
