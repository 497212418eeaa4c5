// SPDX-License-Identifier: MIT
/*
 * The guest that wants nothing: it keeps pages and a checksum of them, grants some of them to the attacker, waits for the
 * attacker at some ports, and answers when the control domain knocks.
 */
#include "hostile/hostile.h"

static uint8_t *canary[NR_CANARIES], *gift[NR_GIFTS];

/* Everything to the attacker of this moment: he may have another id, or be another domain with the same. */
static void invite(unsigned int attacker)
{
    for (unsigned int i = 0; i < 4; i++)
        grant_set(FIRST_GRANT + i, GTF_permit_access | GTF_readonly, attacker, canary[i]);
    for (unsigned int i = 0; i < NR_GIFTS; i++)
        grant_set(FIRST_GRANT + 4 + i, GTF_permit_access, attacker, gift[i]);
    for (unsigned int port = 2; port < 2 + NR_PORTS; port++)
        event_close(port);
    for (unsigned int i = 0; i < NR_PORTS; i++)
        event_alloc_unbound(DOMID_SELF, attacker);
}

static void answer(unsigned int door)
{
    BOARD->checksum = canaries_sum(canary);
    __atomic_store_n(&BOARD->answer, BOARD->question, __ATOMIC_RELEASE);
    event_send(door);
}

static unsigned int bind_door(void)
{
    struct evtchn_bind_interdomain b = { .remote_dom = 0, .remote_port = BOARD->door };

    return event_op(EVTCHNOP_bind_interdomain, &b) ? 0 : b.local_port;
}

void bystander_main(void)
{
    unsigned int door = bind_door(), attacker = ~0u;

    canaries_fill(canary, BOARD->seed);
    grant_init(1);
    for (unsigned int i = 0; i < NR_GIFTS; i++)
        BOARD->gift[i] = va_to_mfn(gift[i] = page_alloc());
    for (unsigned int i = 0; i < NR_CANARIES; i++)
        BOARD->canary[i] = va_to_mfn(canary[i]);
    BOARD->table = PTE_MFN(*pte_of(l4_kernel, VIRT_BASE, 2));
    BOARD->root = va_to_mfn(l4_kernel);
    BOARD->ready = door != 0;
    for (;;) {
        uint32_t ports[] = { door };
        struct sched_poll poll = { .ports = U64(ports), .nr_ports = 1 };

        event_clear(door);
        if (BOARD->answer == BOARD->question) {
            hyp_sched_op(SCHEDOP_poll, &poll);
            continue;
        }
        if (attacker != BOARD->other)
            invite(attacker = BOARD->other);
        answer(door);
    }
}
