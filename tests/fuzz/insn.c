// SPDX-License-Identifier: MIT
// pv/insn.c: the input is an instruction's bytes, behind one that picks the mode and the memory's contents. What is
// decoded is carried out on registers of its own, so that no shift or index depends on luck.
#include "pv/insn.h"

#include <stdlib.h>
#include <string.h>

#include "mini.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_decoded(const struct insn *i, size_t size)
{
    require(i->length >= 1 && i->length <= INSN_MAX && i->length <= size);
    require(i->size == 1 || i->size == 2 || i->size == 4 || i->size == 8);
    require(i->address_size == 2 || i->address_size == 4 || i->address_size == 8);
    require(insn_reg(i) < 16 && insn_rm(i) < 16);
}

static void carry_out(const struct insn *i, uint8_t fill)
{
    struct cpu_user_regs regs;
    struct insn_write w;
    uint64_t old = 0;

    memset(&regs, fill, sizeof(regs));
    memset(&old, fill ^ 0x5a, i->size);
    w = insn_execute(i, &regs, old);
    require(i->size == 8 || w.new >> (8 * i->size) == 0);
    require(!(w.flags & ~w.changed));
    insn_finish(i, &regs, old, &w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct insn i;
    uint8_t *bytes;
    size_t n = size - 1 < INSN_BUFFER ? size - 1 : INSN_BUFFER;

    if (!size)
        return 0;
    bytes = malloc(INSN_BUFFER);
    require(bytes != NULL);
    memset(bytes, data[0], INSN_BUFFER);
    memcpy(bytes, data + 1, n);
    if (!insn_decode(bytes, (unsigned)n, data[0] & 1, &i)) {
        check_decoded(&i, n);
        if (i.write)
            carry_out(&i, data[0]);
    }
    free(bytes);
    return 0;
}
