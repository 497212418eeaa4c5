// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1: entries that a domain writes to let another map or copy its frames.
 *
 * An entry is pinned while it is mapped or copied: counts of readers and writers in its struct grant_active, and the flags
 * GTF_reading and GTF_writing in the guest's own entry, which tell the guest that it must not reuse the frame. What an
 * entry says is read when it is first pinned and believed from then on; the guest may write what it likes meanwhile.
 */
#pragma once
#include "lib/base.h"
#include "public/grant_table.h"

struct domain;

#define MAX_GRANT_FRAMES    64
#define MAX_MAPTRACK_FRAMES 1024
#define GRANTS_PER_FRAME    ((uint32_t)(PAGE_SIZE / sizeof(struct grant_entry_v1)))
#define MAPS_PER_FRAME      512u         /* what one maptrack frame of the limit stands for */
#define UNMAP_GROUP         32u          /* unmaps that share one TLB flush */

struct grant_active {
    uint32_t frame;                      /* as the entry named it when it was pinned first */
    uint32_t pins[2];                    /* by readers, by writers; one for each handle and each copy under way at most */
    domid_t domid;                       /* who has it pinned; the only one while it is */
};

/*
 * A mapping that a domain has of somebody's grant; its handle is its index. Whoever takes `parts`, leaving 0, owns the
 * rest until he puts something back or frees the handle.
 */
struct grant_maptrack {
    uint32_t parts;                      /* GNTMAP_host_map, GNTMAP_device_map: what is mapped; atomic */
    uint32_t ref;                        /* of a free one: the next free handle */
    uint32_t frame;
    domid_t domid;                       /* who granted */
    uint16_t flags;                      /* GNTMAP_*, as it was mapped */
};

#define NO_HANDLE           UINT32_MAX

struct grant_table {
    struct spinlock lock;                /* LOCK_GRANT_TABLE; guards what follows and the entries' pins */
    uint32_t nr_frames;
    uint32_t max_frames;
    struct grant_entry_v1 *frame[MAX_GRANT_FRAMES];     /* shared with the guest; NULL again when it dies */
    struct grant_active *active[MAX_GRANT_FRAMES];

    struct spinlock maps_lock;           /* LOCK_GRANT_MAPS; guards what follows, but for reading nr_maps */
    uint32_t nr_maps;                    /* handles that exist */
    uint32_t max_maps;
    uint32_t first_free;                 /* handle, or NO_HANDLE */
    struct grant_maptrack **maps;        /* in pages */
};

/* With the greatest limits. */
int grant_table_create(struct domain *d);
/* Before the domain runs: lower limits; negative is the default, -XEN_EINVAL more than that. */
int grant_table_limit(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames);
/* Give back what `d` has mapped from others; -XEN_ERESTART to be called again. */
int grant_table_relinquish(struct domain *d);
void grant_table_destroy(struct domain *d);
/* Write the numbers of `nr` frames of d's table to the caller's memory at `list`; those that are not there yet are made. */
int grant_table_put_frames(struct domain *d, uint64_t first, uint32_t nr, uint64_t list);

/* --- What grant_table.c, grant_map.c and grant_copy.c share; nobody else uses it. --- */

/* One side of a copy: a frame that is held, with the pin of its grant if it came by one. */
struct grant_side {
    struct domain *d;                    /* whose frame, referenced; NULL: nothing is held */
    mfn_t frame;
    uint64_t name;                       /* as the operation had it: a grant's number, or a frame's */
    domid_t domid;
    bool is_grant;
    bool readonly;
};

/* One list of operations, by the current vCPU. */
struct grant_batch {
    struct domain *d;
    struct domain *far;                  /* whom the last operation named: referenced; NULL: nobody yet */
    struct grant_side source, dest;      /* of the last copy: the next one often goes on there */
    unsigned nr_unmapped;
    uint32_t unmapped[UNMAP_GROUP];      /* handles: freed, and their pins dropped, after the TLB flush */
};

/* Domain `id`, kept until another one is asked for; NULL if there is none. DOMID_SELF is nobody. */
struct domain *grant_batch_domain(struct grant_batch *b, domid_t id);

/* Let `user` use entry `ref` of d's table: GNTST_okay and the frame it names, else nothing happened. */
int16_t grant_pin(struct domain *d, grant_ref_t ref, const struct domain *user, bool readonly, mfn_t *out);
void grant_unpin(struct domain *d, grant_ref_t ref, bool readonly);

/* grant_map.c, grant_copy.c: one element of a list each; a GNTST_ code. */
int16_t grant_map_ref(struct grant_batch *b, void *arg);
int16_t grant_unmap_ref(struct grant_batch *b, void *arg);
int16_t grant_copy(struct grant_batch *b, void *arg);
/* At a list's end: let go of the last copy's frames; flush TLBs, drop the pins of what was unmapped. */
void grant_copy_finish(struct grant_batch *b);
void grant_unmap_finish(struct grant_batch *b);

int grant_maps_create(struct grant_table *gt);
/* Drop all that `d` has mapped; -XEN_ERESTART to be called again. */
int grant_maps_relinquish(struct domain *d);
void grant_maps_destroy(struct grant_table *gt);
