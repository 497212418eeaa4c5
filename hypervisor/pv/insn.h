// SPDX-License-Identifier: MIT
/*
 * A small decoder of x86 instructions: the privileged ones that a PV kernel may use, and writes of integers to memory (page
 * tables). Pure: bytes in, description out; memory operands are not computed, since whoever decodes knows the faulting
 * address. Intel SDM vol. 2, chapter 2 and appendix A.
 */
#pragma once
#include "lib/base.h"
#include "public/xen.h"

#define INSN_MAX    15u
#define INSN_BUFFER 32u       /* bytes that the decoder may read, whatever they are: prefixes, opcode, operands */

struct insn {
    uint8_t length;           /* whole instruction, 1 .. 15 */
    uint8_t size;             /* integer operand, if there is one: 1, 2, 4 or 8 bytes */
    uint8_t address_size;     /* 2, 4 or 8: of string instructions */
    uint8_t modrm, rex;
    uint8_t write;            /* what it does to an integer in memory (insn.c); 0: not such a write */
    bool rep, operand_prefix, has_imm;
    uint16_t opcode;          /* two-byte opcodes: 0x0f00 | second byte */
    int64_t imm;              /* sign-extended */
};

struct insn_write {
    uint64_t new;             /* what memory becomes, */
    bool writes;              /* unless the instruction leaves it as it is (a CMPXCHG that differs) */
    uint64_t flags, changed;  /* status flags, and which of them change */
};

/* Of INSN_BUFFER bytes the first `n` are code. 0, or -XEN_EINVAL: not one of the instructions known here, or not whole within them. */
int insn_decode(const uint8_t *bytes, unsigned n, bool long_mode, struct insn *i);

/* Register `number` (0 rax .. 15 r15) of a frame. */
uint64_t *insn_register(struct cpu_user_regs *regs, unsigned number);

static inline unsigned insn_reg(const struct insn *i)
{
    return (i->modrm >> 3 & 7u) | (i->rex & 4u ? 8u : 0);
}

static inline unsigned insn_rm(const struct insn *i)
{
    return (i->modrm & 7u) | (i->rex & 1u ? 8u : 0);
}

/* What a write does to memory that holds `old`. */
struct insn_write insn_execute(const struct insn *i, struct cpu_user_regs *regs, uint64_t old);
/* It is done: registers, flags and rip as the instruction leaves them. */
void insn_finish(const struct insn *i, struct cpu_user_regs *regs, uint64_t old,
                 const struct insn_write *w);
