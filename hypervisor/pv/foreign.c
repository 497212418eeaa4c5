// SPDX-License-Identifier: MIT
/* Resolving the domains that an MMU operation names: permission first, then references. */
#include "pv/foreign.h"

#include "mm/frame.h"
#include "public/errno.h"

static int other_domain(unsigned domid, struct domain **ref)
{
    if (!current_domain()->is_control)
        return -XEN_EPERM;
    *ref = domain_get_by_id(domid);
    return *ref ? 0 : -XEN_ESRCH;
}

static bool is_self(unsigned domid)
{
    return domid == DOMID_SELF || domid == current_domain()->id;
}

static int get_frames(struct foreign *who, unsigned domid)
{
    int rc;

    if (is_self(domid)) {
        who->frames_owner = current_domain()->id;
        return 0;
    }
    if (domid == DOMID_IO || domid == DOMID_XEN) {
        who->frames_owner = domid;
        return current_domain()->is_control ? 0 : -XEN_EPERM;
    }
    rc = other_domain(domid, &who->frames_ref);
    if (!rc)
        who->frames_owner = domid;
    return rc;
}

int foreign_get_any(struct foreign *who, uint32_t foreigndom)
{
    unsigned tables = foreigndom >> 16;
    int rc;

    *who = (struct foreign){ .tables = pv_domain(current_domain()) };
    rc = get_frames(who, foreigndom & 0xffff);
    if (rc || !tables || is_self(tables - 1))
        return rc;
    rc = other_domain(tables - 1, &who->tables_ref);
    if (rc)
        foreign_put(who);
    else
        who->tables = pv_domain(who->tables_ref);
    return rc;
}
