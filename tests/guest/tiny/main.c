// SPDX-License-Identifier: MIT
/*
 * No topic: the smallest guest that a toolstack can make, for system tests of toolstacks. It says a line on its console, and
 * then does what the first letter of its command line asks for: ends (e), crashes (c), or waits for ever.
 */
#include "kit/kit.h"
#include "public/io/console.h"

static void say(const char *line)
{
    struct xencons_interface *ring = mfn_to_va(start_info->console.domU.mfn);
    uint32_t at = ring->out_prod;

    for (; *line; line++)
        ring->out[at++ % sizeof(ring->out)] = *line;
    __atomic_store_n(&ring->out_prod, at, __ATOMIC_RELEASE);
    event_send(start_info->console.domU.evtchn);
}

static void end(unsigned int reason)
{
    struct sched_shutdown shutdown = { .reason = reason };

    hyp_sched_op(SCHEDOP_shutdown, &shutdown);
}

void guest_main(void)
{
    say("TINY-UP\r\n");
    if (start_info->cmd_line[0] == 'e')
        end(SHUTDOWN_poweroff);
    if (start_info->cmd_line[0] == 'c')
        end(SHUTDOWN_crash);
    for (;;)
        hyp_sched_op(SCHEDOP_block, NULL);
}

const char test_title[] = "tiny";
const struct test tests[] = { { NULL, NULL } };
