// SPDX-License-Identifier: MIT
/*
 * What the three domains of this topic share: the control domain (main.c), the attacker and the bystander. Each of the two
 * guests has a board, its page 0, which the control domain keeps mapped: orders go in, counts and checksums come out. The
 * control domain believes nothing on the attacker's board but the count of calls and what it prints.
 */
#pragma once

#include "kit/kit.h"

#define NR_WORKERS      2u              /* vCPUs of the attacker */
#define NR_TARGETS      64u
#define NR_CANARIES     16u             /* pages of a domain that nobody else may change; the first four are granted to read */
#define NR_GIFTS        4u              /* pages granted to write */
#define FIRST_GRANT     8u              /* the canaries', then the gifts' */
#define NR_PORTS        4u

struct board {
    /* in */
    uint64_t seed;
    uint32_t self, other;               /* domain ids; other: for the attacker the bystander, and the other way round */
    uint32_t nr_targets;
    uint64_t target[NR_TARGETS];        /* frames of others, or of nobody */
    uint64_t question;                  /* for the bystander: counts up; port 0 of the control domain's knocks */
    uint32_t door;                      /* the control domain's port for the bystander */

    /* out */
    uint64_t answer;                    /* to that question; written last */
    uint64_t checksum;
    uint64_t ready;
    uint64_t canary[NR_CANARIES], gift[NR_GIFTS];       /* frames */
    uint64_t table, root;               /* frames of a page table and of the root */
    volatile uint64_t calls[NR_WORKERS];
    struct call { uint64_t nr, arg[5]; } last[NR_WORKERS];
};
_Static_assert(sizeof(struct board) <= PAGE_SIZE, "one page");

#define BOARD ((volatile struct board *)VIRT_BASE)

/* ---- values.c ---- */
struct random { uint64_t state; };
uint64_t random_next(struct random *r);
static inline uint64_t random_below(struct random *r, uint64_t n) { return (random_next(r) >> 16) % n; }
static inline bool one_in(struct random *r, uint64_t n) { return random_below(r, n) == 0; }
uint64_t checksum_of(const void *page, uint64_t sum);
void canaries_fill(uint8_t *page[], uint64_t seed);
uint64_t canaries_sum(uint8_t *page[]);

/* What values are made of: where the attacker lives and what it knows. */
struct arena {
    uint8_t *play;                      /* addresses that it maps at will */
    uint8_t *victim[32];                /* its own pages, mapped: to be tables, grants, anything */
    uint8_t *scratch;                   /* of this worker: arguments; the page behind is not mapped */
    struct random rnd;
    unsigned int worker;
};
#define NR_PLAY_PAGES   64u
#define NR_SCRATCH_PAGES 4u
/* One argument of a kind; see values.c for the letters. */
uint64_t value_of(struct arena *a, char kind);
/* Fills a structure described by kinds and sizes, "v8F4r4"; returns its size. */
size_t struct_fill(struct arena *a, uint8_t *to, const char *layout);
size_t struct_size(const char *layout);

/* ---- the guests ---- */
void attacker_main(void) __attribute__((noreturn));
void bystander_main(void) __attribute__((noreturn));
