// SPDX-License-Identifier: MIT
#include "perms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static const char letters[] = "nrwb";       // indexed by bits

void perms_domain_ended(struct domain_ends *ends, uint16_t domid)
{
    ends->ended[domid] = ++ends->clock;
}

struct perms *perms_new(const struct perm *entries, size_t count, uint64_t clock)
{
    struct perms *perms = mem_alloc(sizeof(*perms) + count * sizeof(entries[0]));

    perms->references = 1;
    perms->count = (uint32_t)count;
    perms->clock = clock;
    memcpy(perms->entries, entries, count * sizeof(entries[0]));
    return perms;
}

struct perms *perms_get(struct perms *perms)
{
    perms->references++;
    return perms;
}

void perms_put(struct perms *perms)
{
    if (--perms->references == 0)
        free(perms);
}

bool perms_are_equal(const struct perms *a, const struct perms *b)
{
    return a == b || (a->count == b->count && a->clock == b->clock &&
                      memcmp(a->entries, b->entries, a->count * sizeof(a->entries[0])) == 0);
}

struct perms *perms_with_owner(const struct perms *perms, uint16_t owner)
{
    struct perms *copy = perms_new(perms->entries, perms->count, perms->clock);

    copy->entries[0].domid = owner;
    return copy;
}

static bool entry_counts(const struct perms *perms, const struct domain_ends *ends, size_t i)
{
    return i == 0 || ends->ended[perms->entries[i].domid] <= perms->clock;
}

static unsigned bits_of(const struct perms *perms, const struct domain_ends *ends, uint16_t domid)
{
    for (size_t i = 1; i < perms->count; i++)
        if (perms->entries[i].domid == domid && entry_counts(perms, ends, i))
            return perms->entries[i].bits;
    return perms->entries[0].bits;
}

bool perms_are_owned(const struct perms *perms, struct subject who)
{
    uint16_t owner = perms_owner(perms);

    return who.domid == 0 || owner == who.domid || (who.target != NO_DOMID && owner == who.target);
}

bool perms_allow(const struct perms *perms, const struct domain_ends *ends, struct subject who,
                 unsigned bits)
{
    if (perms_are_owned(perms, who) || (bits_of(perms, ends, who.domid) & bits) == bits)
        return true;
    return who.target != NO_DOMID && (bits_of(perms, ends, who.target) & bits) == bits;
}

bool perms_are_valid(const struct perm *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].bits > (PERM_READ | PERM_WRITE))
            return false;
    return true;
}

int perms_parse(struct perm *entries, size_t max, const char *text, size_t length)
{
    const char *end = text + length;
    size_t count = 0;

    if (length == 0 || end[-1] != '\0')
        return -EINVAL;
    for (; text < end; text += strlen(text) + 1) {
        const char *letter = *text ? strchr(letters, *text) : NULL;
        uint32_t domid;

        if (!letter || count == max || wire_number(text + 1, MAX_DOMID - 1, &domid))
            return -EINVAL;
        entries[count++] = (struct perm){ (uint16_t)domid, (uint16_t)(letter - letters) };
    }
    return (int)count;
}

void perms_format(const struct perms *perms, const struct domain_ends *ends, struct buf *out)
{
    for (size_t i = 0; i < perms->count; i++)
        if (entry_counts(perms, ends, i))
            buf_print(out, "%c%u%c", letters[perms->entries[i].bits], perms->entries[i].domid, '\0');
}
