// SPDX-License-Identifier: MIT
/* See pv/insn.h. The tables name what is known; anything else is refused, so a new instruction needs a row and nothing more. */
#include "pv/insn.h"

#include "cpu/regs.h"

#define KNOWN     0x01u
#define MODRM     0x02u
#define IMM8      0x04u
#define IMMZ      0x08u     /* immediate of operand size, at most four bytes */
#define WIDE      0x10u     /* the opcode is even, but that does not mean an operand of a byte */
#define WRITE(op) (KNOWN | (op) << 8)

/* Arithmetic is numbered as group 1's register field has it, bit operations as group 8's. */
enum {
    OP_NONE, OP_ADD = 1, OP_OR = 2, OP_AND = 5, OP_SUB = 6, OP_XOR = 7,
    OP_BTS = 13, OP_BTR = 14, OP_BTC = 15,
    OP_MOV, OP_MOV_IMM, OP_XCHG, OP_CMPXCHG, OP_XADD, OP_STOS, OP_GROUP1, OP_GROUP8,
};
#define GROUP1_KNOWN 0x73u  /* not ADC, SBB and CMP */

static const uint16_t one_byte[256] = {
    [0x00 ... 0x01] = MODRM | WRITE(OP_ADD), [0x08 ... 0x09] = MODRM | WRITE(OP_OR),
    [0x20 ... 0x21] = MODRM | WRITE(OP_AND), [0x28 ... 0x29] = MODRM | WRITE(OP_SUB),
    [0x30 ... 0x31] = MODRM | WRITE(OP_XOR), [0x6c ... 0x6f] = KNOWN,
    [0x80] = MODRM | IMM8 | WRITE(OP_GROUP1), [0x81] = MODRM | IMMZ | WRITE(OP_GROUP1),
    [0x83] = MODRM | IMM8 | WRITE(OP_GROUP1),
    [0x86 ... 0x87] = MODRM | WRITE(OP_XCHG), [0x88 ... 0x89] = MODRM | WRITE(OP_MOV),
    [0xaa ... 0xab] = WRITE(OP_STOS), [0xc6] = MODRM | IMM8 | WRITE(OP_MOV_IMM),
    [0xc7] = MODRM | IMMZ | WRITE(OP_MOV_IMM), [0xcd] = KNOWN | IMM8,
    [0xe4 ... 0xe7] = KNOWN | IMM8, [0xec ... 0xef] = KNOWN, [0xfa ... 0xfb] = KNOWN,
};

static const uint16_t two_byte[256] = {
    [0x01] = KNOWN | MODRM, [0x06] = KNOWN, [0x08 ... 0x09] = KNOWN,
    [0x20 ... 0x23] = KNOWN | MODRM, [0x30 ... 0x32] = KNOWN, [0xab] = MODRM | WRITE(OP_BTS),
    [0xb0 ... 0xb1] = MODRM | WRITE(OP_CMPXCHG), [0xb3] = MODRM | WRITE(OP_BTR),
    [0xba] = MODRM | IMM8 | WIDE | WRITE(OP_GROUP8), [0xbb] = MODRM | WRITE(OP_BTC),
    [0xc0 ... 0xc1] = MODRM | WRITE(OP_XADD),
};

static bool take_prefix(struct insn *i, uint8_t b, bool long_mode)
{
    switch (b) {
    case 0x66: i->operand_prefix = true; return true;
    case 0x67: i->address_size = long_mode ? 4 : 2; return true;
    case 0xf2: case 0xf3: i->rep = true; return true;
    case 0xf0: case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: return true;
    default: return false;
    }
}

static const uint8_t *skip_memory_operand(const uint8_t *p, const struct insn *i)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7, base = rm;

    if (mod == 3 || (i->opcode & ~3u) == 0x0f20)     /* MOV to and from CRn and DRn looks at no mod */
        return p;
    if (i->address_size == 2)
        return p + (mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
    if (rm == 4)
        base = *p++ & 7;
    return p + (mod == 1 ? 1 : mod == 2 || (mod == 0 && base == 5) ? 4 : 0);
}

static const uint8_t *take_immediate(const uint8_t *p, struct insn *i, unsigned form)
{
    unsigned size = form & IMM8 ? 1 : MIN((unsigned)i->size, 4u), unused = 64 - 8 * size;
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    i->imm = (int64_t)(v << unused) >> unused;
    i->has_imm = true;
    return p + size;
}

static uint8_t operand_size(const struct insn *i, unsigned form)
{
    if (!(i->opcode & 1) && !(form & WIDE))
        return 1;
    if (i->rex & 8)
        return 8;
    return i->operand_prefix ? 2 : 4;
}

/* Only to memory; a string's only element, by the whole of rdi. */
static unsigned write_of(const struct insn *i, unsigned form)
{
    unsigned op = form >> 8, reg = i->modrm >> 3 & 7;

    if (op == OP_STOS)
        return i->rep || i->address_size != 8 ? OP_NONE : op;
    if (i->modrm >> 6 == 3 || (op == OP_MOV_IMM && reg))
        return OP_NONE;
    if (op == OP_GROUP1)
        return GROUP1_KNOWN >> reg & 1 ? OP_ADD + reg : OP_NONE;
    if (op == OP_GROUP8)
        return reg >= 5 ? OP_BTS - 5 + reg : OP_NONE;
    return op;
}

int insn_decode(const uint8_t *bytes, unsigned n, bool long_mode, struct insn *i)
{
    const uint8_t *p = bytes;
    unsigned form;

    *i = (struct insn){ .address_size = long_mode ? 8 : 4 };
    while (p < bytes + INSN_MAX && take_prefix(i, *p, long_mode))
        p++;
    if (long_mode && (*p & 0xf0) == 0x40)
        i->rex = *p++;
    i->opcode = *p++;
    form = one_byte[i->opcode];
    if (i->opcode == 0x0f) {
        form = two_byte[*p];
        i->opcode = (uint16_t)(0x0f00 | *p++);
    }
    if (!(form & KNOWN))
        return -XEN_EINVAL;
    i->size = operand_size(i, form);
    if (form & MODRM) {
        i->modrm = *p++;
        p = skip_memory_operand(p, i);
    }
    if (form & (IMM8 | IMMZ))
        p = take_immediate(p, i, form);
    if (form >> 8)
        i->write = (uint8_t)write_of(i, form);
    i->length = (uint8_t)(p - bytes);
    return i->length <= MIN(n, INSN_MAX) ? 0 : -XEN_EINVAL;
}

uint64_t *insn_register(struct cpu_user_regs *regs, unsigned number)
{
#define AT(reg) offsetof(struct cpu_user_regs, reg)
    static const uint8_t offsets[16] = {
        AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
        AT(r8), AT(r9), AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
    };
#undef AT

    return (uint64_t *)((char *)regs + offsets[number & 15]);
}

/* --- Writes ---------------------------------------------------------------------------------------------------- */

#define PF_FLAG 0x4u
#define AF_FLAG 0x10u
#define ZF_FLAG 0x40u
#define SF_FLAG 0x80u
#define OF_FLAG 0x800u
#define STATUS_FLAGS (X86_RFLAGS_CF | PF_FLAG | AF_FLAG | ZF_FLAG | SF_FLAG | OF_FLAG)

static uint64_t size_mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

/* Where the register operand lies in the frame: without REX, byte registers 4-7 are ah to bh. */
static uint8_t *register_bytes(const struct insn *i, struct cpu_user_regs *regs)
{
    unsigned reg = i->write == OP_STOS ? 0 : insn_reg(i);

    if (i->size == 1 && !i->rex && reg >= 4)
        return (uint8_t *)insn_register(regs, reg - 4) + 1;
    return (uint8_t *)insn_register(regs, reg);
}

static uint64_t source_of(const struct insn *i, struct cpu_user_regs *regs)
{
    uint64_t v = (uint64_t)i->imm;

    if (!i->has_imm)
        memcpy(&v, register_bytes(i, regs), sizeof(v));
    return v & size_mask(i->size);
}

/* A write of 32 bits clears the upper half (SDM vol. 1, 3.4.1.1). */
static void write_register(uint8_t *to, uint64_t v, unsigned size)
{
    memcpy(to, &v, size == 4 ? 8 : size);
}

/* `carries` has the carry or borrow out of each bit. */
static uint64_t status_flags(uint64_t result, uint64_t carries, unsigned size)
{
    unsigned top = 8 * size - 1;

    return (result ? 0 : ZF_FLAG) | (result >> top & 1 ? SF_FLAG : 0) |
           (__builtin_parity((unsigned)result & 0xff) ? 0 : PF_FLAG) |
           (carries >> 3 & 1 ? AF_FLAG : 0) | (carries >> top & 1 ? X86_RFLAGS_CF : 0) |
           ((carries ^ carries << 1) >> top & 1 ? OF_FLAG : 0);
}

/* a - b, or the comparison of both. */
static uint64_t subtract_flags(uint64_t a, uint64_t b, unsigned size)
{
    uint64_t r = (a - b) & size_mask(size);

    return status_flags(r, (~a & b) | ((~a | b) & r), size);
}

struct insn_write insn_execute(const struct insn *i, struct cpu_user_regs *regs, uint64_t old)
{
    uint64_t mask = size_mask(i->size), src = source_of(i, regs), bit = UINT64_C(1) << (src & (i->size * 8u - 1));
    struct insn_write w = { .new = src, .writes = true, .changed = STATUS_FLAGS };

    switch (i->write) {
    case OP_ADD: case OP_XADD:
        w.new = (old + src) & mask;
        w.flags = status_flags(w.new, (old & src) | ((old | src) & ~w.new), i->size);
        return w;
    case OP_SUB:
        w.new = (old - src) & mask;
        w.flags = subtract_flags(old, src, i->size);
        return w;
    case OP_CMPXCHG:
        w.writes = old == (regs->rax & mask);
        w.flags = subtract_flags(regs->rax & mask, old, i->size);
        return w;
    case OP_OR: w.new = old | src; break;
    case OP_AND: w.new = old & src; break;
    case OP_XOR: w.new = old ^ src; break;
    case OP_BTS: w.new = old | bit; break;
    case OP_BTR: w.new = old & ~bit; break;
    case OP_BTC: w.new = old ^ bit; break;
    default: w.changed = 0; return w;
    }
    if (i->write >= OP_BTS) {
        w.changed = X86_RFLAGS_CF;
        w.flags = old & bit ? X86_RFLAGS_CF : 0;
    } else {
        w.flags = status_flags(w.new, 0, i->size);
    }
    return w;
}

void insn_finish(const struct insn *i, struct cpu_user_regs *regs, uint64_t old,
                 const struct insn_write *w)
{
    regs->rflags = (regs->rflags & ~w->changed) | w->flags;
    if (i->write == OP_XCHG || i->write == OP_XADD)
        write_register(register_bytes(i, regs), old, i->size);
    else if (!w->writes)
        write_register((uint8_t *)&regs->rax, old, i->size);
    else if (i->write == OP_STOS)
        regs->rdi += regs->rflags & X86_RFLAGS_DF ? -(uint64_t)i->size : i->size;
    regs->rip += i->length;
}
