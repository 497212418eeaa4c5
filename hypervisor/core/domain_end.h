// SPDX-License-Identifier: MIT
/* The end of a domain: everything that it has goes back, step by step. */
#pragma once

struct domain;

/*
 * Stop `d` for good and take all it has: -XEN_ERESTART to be called again, 0 when nothing is left but what others still have
 * mapped of it; its id is free when that is gone too. One caller at a time (domctl_lock).
 */
int domain_kill(struct domain *d);
