// SPDX-License-Identifier: MIT
/* Resolving the domains that an MMU operation names: permission first, then references. */
#include "pv/pv_mmu.h"

static bool is_self(unsigned domid)
{
    return domid == DOMID_SELF || domid == current_domain()->id;
}

int foreign_get_any(struct foreign *who, uint32_t foreigndom)
{
    unsigned frames = foreigndom & 0xffff, tables = (foreigndom >> 16) - 1;
    bool own_frames = is_self(frames), own_tables = !(foreigndom >> 16) || is_self(tables);

    *who = (struct foreign){ .tables = pv_domain(current_domain()) };
    who->frames_owner = own_frames ? current_domain()->id : frames;
    if (own_frames && own_tables)
        return 0;
    if (!current_domain()->is_control)
        return -XEN_EPERM;
    if (!own_frames && frames != DOMID_IO && frames != DOMID_XEN) {
        who->frames_ref = domain_get_by_id(frames);
        if (!who->frames_ref)
            return -XEN_ESRCH;
    }
    if (!own_tables) {
        who->tables_ref = domain_get_by_id(tables);
        who->tables = pv_domain(who->tables_ref);
        if (!who->tables_ref) {
            foreign_put(who);
            return -XEN_ESRCH;
        }
    }
    return 0;
}
