// SPDX-License-Identifier: MIT
// Who may do what with a node. The first entry names the owner, and what everybody may do who has no
// entry of his own; the others name one domain each. Lists never change and are shared by reference.
//
// A domain's number may be given to another domain after its end. So the clock counts ends: a list
// carries the clock of its making, and an entry of a domain that has ended since counts for nobody.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define MAX_DOMID 0xffffu
#define NO_DOMID 0xffffu

enum { PERM_READ = 1, PERM_WRITE = 2 };

struct perm {
    uint16_t domid;
    uint16_t bits;
};

struct perms {
    uint32_t references;
    uint32_t count;
    uint64_t clock;
    struct perm entries[];
};

// Who asks: a domain, and the domain it acts for (NO_DOMID: none).
struct subject {
    uint16_t domid;
    uint16_t target;
};

struct domain_ends {
    uint64_t clock;
    uint64_t ended[MAX_DOMID + 1];      // the clock after the last end of each domain, 0: never
};

static inline bool subject_is_privileged(struct subject who)
{
    return who.domid == 0;
}

void perms_domain_ended(struct domain_ends *ends, uint16_t domid);

struct perms *perms_new(const struct perm *entries, size_t count, uint64_t clock);
struct perms *perms_get(struct perms *perms);
void perms_put(struct perms *perms);
bool perms_are_equal(const struct perms *a, const struct perms *b);
// A copy with another owner, and the clock of the original.
struct perms *perms_with_owner(const struct perms *perms, uint16_t owner);

static inline uint16_t perms_owner(const struct perms *perms)
{
    return perms->entries[0].domid;
}

// Whether `who` has all of `bits`; the owner and the control domain always do.
bool perms_allow(const struct perms *perms, const struct domain_ends *ends, struct subject who,
                 unsigned bits);
// Whether `who` may change the list itself.
bool perms_are_owned(const struct perms *perms, struct subject who);

bool perms_are_valid(const struct perm *entries, size_t count);
// From strings "r5", each closed by a zero byte, at most `max` of them: their number or -EINVAL.
int perms_parse(struct perm *entries, size_t max, const char *text, size_t length);
// As such strings. Entries of domains that have ended are left out.
void perms_format(const struct perms *perms, const struct domain_ends *ends, struct buf *out);
