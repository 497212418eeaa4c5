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

static void carry_out(const struct insn *w, uint8_t fill)
{
    struct cpu_user_regs regs;
    uint64_t old = 0, new;
    bool writes;

    memset(&regs, fill, sizeof(regs));
    memset(&old, fill ^ 0x5a, w->size);
    writes = insn_apply_write(w, &regs, old, &new);
    require(w->size == 8 || new >> (8 * w->size) == 0);
    insn_finish_write(w, &regs, old, new, writes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct insn i, w;
    uint8_t *bytes;

    if (!size)
        return 0;
    bytes = malloc(size - 1 ? size - 1 : 1);
    require(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    if (!insn_decode(bytes, (unsigned)(size - 1), data[0] & 1, &i))
        check_decoded(&i, size - 1);
    if (!insn_decode_write(bytes, (unsigned)(size - 1), &w)) {
        check_decoded(&w, size - 1);
        carry_out(&w, data[0]);
    }
    free(bytes);
    return 0;
}
