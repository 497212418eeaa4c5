// SPDX-License-Identifier: MIT
/* Grant tables, version 1: entries that a domain writes to let another map or copy its frames. */
#pragma once
#include "lib/base.h"
#include "public/grant_table.h"

struct domain;
struct grant_table;

int grant_table_create(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames);
/* Before the domain runs: lower limits; negative is the default, -XEN_EINVAL more than that. */
int grant_table_limit(struct domain *d, int32_t max_frames, int32_t max_maptrack_frames);
unsigned grant_table_max_frames(const struct domain *d);
/* Give back what `d` has mapped from others; -XEN_ERESTART to be called again. */
int grant_table_relinquish(struct domain *d);
void grant_table_destroy(struct domain *d);
/* The frame behind index `idx` of d's grant table (XENMEM_add_to_physmap-like users, dom0 builder). */
int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out);
