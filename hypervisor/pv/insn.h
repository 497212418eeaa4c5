// SPDX-License-Identifier: MIT
/*
 * A small decoder of x86 instructions: the privileged ones that a PV kernel may use, and writes of integers to memory (page
 * tables). Pure: bytes in, description out; it never looks beyond the bytes given, and memory operands are not
 * computed, since whoever decodes knows the faulting address. Intel SDM vol. 2, chapter 2 and appendix A.
 */
#pragma once
#include "lib/types.h"
#include "public/xen.h"

#define INSN_MAX 15u

struct insn {
    uint8_t length;           /* whole instruction, 1 .. 15 */
    uint8_t size;             /* operand: 1, 2, 4 or 8 bytes */
    uint8_t address_size;     /* 2, 4 or 8: of string instructions */
    uint8_t modrm, rex;
    bool rep, operand_prefix, has_modrm;
    uint16_t opcode;          /* two-byte opcodes: 0x0f00 | second byte */
    int64_t imm;              /* sign-extended */
};

/* 0, or -XEN_EINVAL: not one of the instructions known here, or not whole within `n` bytes. */
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

/* As insn_decode(), for writes of integers to memory only. */
int insn_decode_write(const uint8_t *bytes, unsigned n, struct insn *i);
/* What memory that holds `old` becomes; false if the instruction leaves it as it is (a CMPXCHG that differs). */
bool insn_apply_write(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, uint64_t *new);
/* The instruction is done: registers, flags and rip as it leaves them. */
void insn_finish_write(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, uint64_t new, bool written);
