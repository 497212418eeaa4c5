// SPDX-License-Identifier: MIT
/* See pv/insn.h. The tables name what is known; anything else is refused, so a new instruction needs a row and nothing more. */
#include "pv/insn.h"

#include "cpu/regs.h"
#include "lib/compiler.h"
#include "lib/string.h"
#include "public/errno.h"

#define KNOWN   0x01u
#define MODRM   0x02u
#define BYTE    0x04u       /* operand of one byte */
#define IMM8    0x08u
#define IMMZ    0x10u       /* immediate of operand size, at most four bytes */

static const uint8_t one_byte[256] = {
    [0x00] = KNOWN | MODRM | BYTE, [0x01] = KNOWN | MODRM, [0x08] = KNOWN | MODRM | BYTE, [0x09] = KNOWN | MODRM,
    [0x20] = KNOWN | MODRM | BYTE, [0x21] = KNOWN | MODRM, [0x28] = KNOWN | MODRM | BYTE, [0x29] = KNOWN | MODRM,
    [0x30] = KNOWN | MODRM | BYTE, [0x31] = KNOWN | MODRM,
    [0x6c] = KNOWN | BYTE, [0x6d] = KNOWN, [0x6e] = KNOWN | BYTE, [0x6f] = KNOWN,
    [0x80] = KNOWN | MODRM | BYTE | IMM8, [0x81] = KNOWN | MODRM | IMMZ, [0x83] = KNOWN | MODRM | IMM8,
    [0x86] = KNOWN | MODRM | BYTE, [0x87] = KNOWN | MODRM, [0x88] = KNOWN | MODRM | BYTE, [0x89] = KNOWN | MODRM,
    [0xaa] = KNOWN | BYTE, [0xab] = KNOWN,
    [0xc6] = KNOWN | MODRM | BYTE | IMM8, [0xc7] = KNOWN | MODRM | IMMZ, [0xcd] = KNOWN | BYTE | IMM8,
    [0xe4] = KNOWN | BYTE | IMM8, [0xe5] = KNOWN | IMM8, [0xe6] = KNOWN | BYTE | IMM8, [0xe7] = KNOWN | IMM8,
    [0xec] = KNOWN | BYTE, [0xed] = KNOWN, [0xee] = KNOWN | BYTE, [0xef] = KNOWN,
    [0xfa] = KNOWN, [0xfb] = KNOWN,
};

static const uint8_t two_byte[256] = {
    [0x01] = KNOWN | MODRM, [0x06] = KNOWN, [0x08] = KNOWN, [0x09] = KNOWN,
    [0x20] = KNOWN | MODRM, [0x21] = KNOWN | MODRM, [0x22] = KNOWN | MODRM, [0x23] = KNOWN | MODRM,
    [0x30] = KNOWN, [0x31] = KNOWN, [0x32] = KNOWN,
    [0xab] = KNOWN | MODRM, [0xb0] = KNOWN | MODRM | BYTE, [0xb1] = KNOWN | MODRM, [0xb3] = KNOWN | MODRM,
    [0xba] = KNOWN | MODRM | IMM8, [0xbb] = KNOWN | MODRM, [0xc0] = KNOWN | MODRM | BYTE, [0xc1] = KNOWN | MODRM,
};

struct cursor {
    const uint8_t *bytes;
    unsigned at, end;
    bool failed;
};

static uint8_t next(struct cursor *c)
{
    if (c->at >= c->end) {
        c->failed = true;
        return 0;
    }
    return c->bytes[c->at++];
}

static int64_t next_signed(struct cursor *c, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)next(c) << (8 * i);
    return size ? (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size) : 0;
}

/* Prefixes and REX; returns the first opcode byte. */
static uint8_t decode_prefixes(struct cursor *c, bool long_mode, struct insn *i)
{
    for (;;) {
        uint8_t b = next(c);

        switch (b) {
        case 0x66: i->operand_prefix = true; continue;
        case 0x67: i->address_size = long_mode ? 4 : 2; continue;
        case 0xf2: case 0xf3: i->rep = true; continue;
        case 0xf0: case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: continue;
        default: break;
        }
        if (!long_mode || (b & 0xf0) != 0x40)
            return b;
        i->rex = b;
        return next(c);
    }
}

static void skip_memory_operand(struct cursor *c, const struct insn *i)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7, base = rm;

    if (mod == 3 || (i->opcode & ~3u) == 0x0f20)     /* MOV to and from CRn and DRn looks at no mod */
        return;
    if (i->address_size == 2) {
        next_signed(c, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        return;
    }
    if (rm == 4)
        base = next(c) & 7;
    if (mod == 1)
        next(c);
    else if (mod == 2 || (mod == 0 && base == 5))
        next_signed(c, 4);
}

static uint8_t operand_size(const struct insn *i, unsigned form)
{
    if (form & BYTE)
        return 1;
    if (i->rex & 8)
        return 8;
    return i->operand_prefix ? 2 : 4;
}

int insn_decode(const uint8_t *bytes, unsigned n, bool long_mode, struct insn *i)
{
    struct cursor c = { bytes, 0, MIN(n, INSN_MAX), false };
    unsigned form;

    *i = (struct insn){ .address_size = long_mode ? 8 : 4 };
    i->opcode = decode_prefixes(&c, long_mode, i);
    form = one_byte[i->opcode];
    if (i->opcode == 0x0f) {
        uint8_t second = next(&c);

        i->opcode = (uint16_t)(0x0f00 | second);
        form = two_byte[second];
    }
    if (c.failed || !(form & KNOWN))
        return -XEN_EINVAL;
    i->size = operand_size(i, form);
    if (form & MODRM) {
        i->has_modrm = true;
        i->modrm = next(&c);
        skip_memory_operand(&c, i);
    }
    if (form & IMM8)
        i->imm = next_signed(&c, 1);
    else if (form & IMMZ)
        i->imm = next_signed(&c, i->size > 4 ? 4 : i->size);
    i->length = (uint8_t)c.at;
    return c.failed ? -XEN_EINVAL : 0;
}

uint64_t *insn_register(struct cpu_user_regs *regs, unsigned number)
{
    static const uint8_t offsets[16] = {
        offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx), offsetof(struct cpu_user_regs, rdx),
        offsetof(struct cpu_user_regs, rbx), offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
        offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi), offsetof(struct cpu_user_regs, r8),
        offsetof(struct cpu_user_regs, r9), offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
        offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13), offsetof(struct cpu_user_regs, r14),
        offsetof(struct cpu_user_regs, r15),
    };

    return (uint64_t *)((char *)regs + offsets[number & 15]);
}

/* --- Writes ---------------------------------------------------------------------------------------------------- */

enum op { OP_ADD = 0, OP_OR = 1, OP_AND = 4, OP_SUB = 5, OP_XOR = 6, OP_MOV, OP_XCHG, OP_CMPXCHG, OP_XADD, OP_BTS, OP_BTR, OP_BTC, OP_NONE };

#define STATUS_FLAGS (X86_RFLAGS_CF | 0x4u | 0x10u | 0x40u | 0x80u | 0x800u)
#define PF_FLAG 0x4u
#define AF_FLAG 0x10u
#define ZF_FLAG 0x40u
#define SF_FLAG 0x80u
#define OF_FLAG 0x800u

/* Group 8 (0f ba): bit tests by immediate; group 1 (80, 81, 83): arithmetic, numbered as the enum. */
static enum op op_of(const struct insn *i)
{
    static const uint8_t group8[8] = { OP_NONE, OP_NONE, OP_NONE, OP_NONE, OP_NONE, OP_BTS, OP_BTR, OP_BTC };
    unsigned reg = i->modrm >> 3 & 7;

    switch (i->opcode) {
    case 0x00: case 0x01: return OP_ADD;
    case 0x08: case 0x09: return OP_OR;
    case 0x20: case 0x21: return OP_AND;
    case 0x28: case 0x29: return OP_SUB;
    case 0x30: case 0x31: return OP_XOR;
    case 0x80: case 0x81: case 0x83: return 1u << reg & 0x73 ? (enum op)reg : OP_NONE;
    case 0x86: case 0x87: return OP_XCHG;
    case 0x88: case 0x89: case 0xaa: case 0xab: return OP_MOV;
    case 0xc6: case 0xc7: return reg ? OP_NONE : OP_MOV;
    case 0x0fb0: case 0x0fb1: return OP_CMPXCHG;
    case 0x0fc0: case 0x0fc1: return OP_XADD;
    case 0x0fab: return OP_BTS;
    case 0x0fb3: return OP_BTR;
    case 0x0fbb: return OP_BTC;
    case 0x0fba: return (enum op)group8[reg];
    default: return OP_NONE;
    }
}

static uint64_t size_mask(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static bool has_immediate(const struct insn *i)
{
    return i->opcode == 0x80 || i->opcode == 0x81 || i->opcode == 0x83 || i->opcode == 0xc6 || i->opcode == 0xc7 ||
           i->opcode == 0x0fba;
}

/* Where the register operand lies in the frame: without REX, byte registers 4-7 are ah to bh. */
static uint8_t *register_bytes(const struct insn *i, struct cpu_user_regs *regs)
{
    unsigned reg = i->has_modrm ? insn_reg(i) : 0;

    if (i->size == 1 && !i->rex && reg >= 4)
        return (uint8_t *)insn_register(regs, reg - 4) + 1;
    return (uint8_t *)insn_register(regs, reg);
}

static uint64_t read_register(const struct insn *i, struct cpu_user_regs *regs)
{
    uint64_t v = 0;

    memcpy(&v, register_bytes(i, regs), i->size);
    return v;
}

/* A write of 32 bits clears the upper half (SDM vol. 1, 3.4.1.1). */
static void write_register(uint8_t *to, uint64_t v, unsigned size)
{
    if (size == 4)
        size = 8;
    memcpy(to, &v, size);
}

int insn_decode_write(const uint8_t *bytes, unsigned n, struct insn *i)
{
    int rc = insn_decode(bytes, n, true, i);
    bool string = i->opcode == 0xaa || i->opcode == 0xab;

    if (rc)
        return rc;
    if (op_of(i) == OP_NONE || (i->has_modrm && i->modrm >> 6 == 3) ||
        (string && (i->rep || i->address_size != 8)))
        return -XEN_EINVAL;
    return 0;
}

static uint64_t source_of(const struct insn *i, struct cpu_user_regs *regs)
{
    return has_immediate(i) ? (uint64_t)i->imm & size_mask(i->size) : read_register(i, regs);
}

bool insn_apply_write(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, uint64_t *new)
{
    uint64_t mask = size_mask(i->size), src = source_of(i, regs), bit = UINT64_C(1) << (src & (i->size * 8u - 1));

    switch (op_of(i)) {
    case OP_ADD: case OP_XADD: *new = (old + src) & mask; return true;
    case OP_OR: *new = old | src; return true;
    case OP_AND: *new = old & src; return true;
    case OP_SUB: *new = (old - src) & mask; return true;
    case OP_XOR: *new = old ^ src; return true;
    case OP_BTS: *new = old | bit; return true;
    case OP_BTR: *new = old & ~bit; return true;
    case OP_BTC: *new = old ^ bit; return true;
    case OP_CMPXCHG:
        *new = src;
        return old == (regs->rax & mask);
    default: *new = src; return true;
    }
}

static uint64_t result_flags(uint64_t result, unsigned size)
{
    uint64_t flags = 0;

    result &= size_mask(size);
    flags |= result ? 0 : ZF_FLAG;
    flags |= result >> (8 * size - 1) ? SF_FLAG : 0;
    flags |= __builtin_parity((unsigned)result & 0xff) ? 0 : PF_FLAG;
    return flags;
}

/* Flags of a + b = r, or with `subtract` of a - b = r. */
static uint64_t sum_flags(uint64_t a, uint64_t b, uint64_t r, unsigned size, bool subtract)
{
    uint64_t mask = size_mask(size), top = UINT64_C(1) << (8 * size - 1);
    uint64_t overflow = subtract ? (a ^ b) & (a ^ r) : ~(a ^ b) & (a ^ r);
    bool carry = subtract ? (a & mask) < (b & mask) : (r & mask) < (a & mask);

    return result_flags(r, size) | (carry ? X86_RFLAGS_CF : 0) | (overflow & top ? OF_FLAG : 0) |
           ((a ^ b ^ r) & AF_FLAG);
}

static void set_flags(struct cpu_user_regs *regs, uint64_t which, uint64_t flags)
{
    regs->rflags = (regs->rflags & ~which) | flags;
}

void insn_finish_write(const struct insn *i, struct cpu_user_regs *regs, uint64_t old, uint64_t new, bool written)
{
    uint64_t src = source_of(i, regs), accumulator = regs->rax & size_mask(i->size);

    switch (op_of(i)) {
    case OP_ADD: case OP_XADD:
        set_flags(regs, STATUS_FLAGS, sum_flags(old, src, new, i->size, false));
        break;
    case OP_SUB:
        set_flags(regs, STATUS_FLAGS, sum_flags(old, src, new, i->size, true));
        break;
    case OP_OR: case OP_AND: case OP_XOR:
        set_flags(regs, STATUS_FLAGS, result_flags(new, i->size));
        break;
    case OP_CMPXCHG:
        set_flags(regs, STATUS_FLAGS, sum_flags(accumulator, old, accumulator - old, i->size, true));
        if (!written)
            write_register((uint8_t *)&regs->rax, old, i->size);
        break;
    case OP_BTS: case OP_BTR: case OP_BTC:
        set_flags(regs, X86_RFLAGS_CF, old >> (src & (i->size * 8u - 1)) & 1);
        break;
    default:
        break;
    }
    if (op_of(i) == OP_XCHG || op_of(i) == OP_XADD)
        write_register(register_bytes(i, regs), old, i->size);
    if (!i->has_modrm)
        regs->rdi += regs->rflags & X86_RFLAGS_DF ? -(uint64_t)i->size : i->size;
    regs->rip += i->length;
}
