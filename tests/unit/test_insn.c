// SPDX-License-Identifier: MIT
// The decoder and its memory writes. What a write does to memory, registers and flags is compared with what this
// machine's own CPU does for the same bytes; lengths and refusals with a table; the rest is left to chance.
#define _DEFAULT_SOURCE
#include "pv/insn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../fuzz/mini.h"
#include "cpu/regs.h"
#include "unit_main.h"

#define ROUNDS 300
#define CF X86_RFLAGS_CF
#define ZF 0x40
#define AF 0x10
#define STATUS 0x8d5
#define NO_AF (STATUS & ~AF)

static uint64_t random64(void)
{
    static uint64_t state = 0x2545f4914f6cdd1d;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* --- Against the CPU ----------------------------------------------------------------------------------------------- */

/* What lies behind the code in the buffer must not matter. */
static int decode(const void *code, unsigned n, bool long_mode, struct insn *i)
{
    uint8_t bytes[INSN_BUFFER];

    for (unsigned at = 0; at < sizeof(bytes); at++)
        bytes[at] = (uint8_t)random64();
    memcpy(bytes, code, n);
    return insn_decode(bytes, n, long_mode, i);
}

struct native {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi, r8, rflags;
    const void *code;
};

void run_native(struct native *n);
__asm__(".text\n"
        ".globl run_native\n"
        "run_native:\n"
        "pushq %rbx\n pushq %r12\n subq $8, %rsp\n movq %rdi, %r12\n"
        "pushq 56(%r12)\n popfq\n"
        "movq 0(%r12), %rax\n movq 8(%r12), %rcx\n movq 16(%r12), %rdx\n movq 24(%r12), %rbx\n"
        "movq 32(%r12), %rsi\n movq 40(%r12), %rdi\n movq 48(%r12), %r8\n"
        "call *64(%r12)\n"
        "movq %rax, 0(%r12)\n movq %rcx, 8(%r12)\n movq %rdx, 16(%r12)\n movq %rbx, 24(%r12)\n"
        "movq %rsi, 32(%r12)\n movq %rdi, 40(%r12)\n movq %r8, 48(%r12)\n"
        "pushfq\n popq 56(%r12)\n cld\n"
        "addq $8, %rsp\n popq %r12\n popq %rbx\n ret\n");

struct write_case {
    const char *name;
    const char *bytes;
    unsigned length;
    unsigned flags;           /* those that the instruction defines */
    unsigned bit_index;       /* register operand is an index below this; 0: any */
};

#define B(text) text, sizeof(text) - 1

/* The memory operand is (%rdi), but for the longer ways of naming it. */
static const struct write_case writes[] = {
    { "mov %rax", B("\x48\x89\x07"), STATUS, 0 },
    { "mov %r8", B("\x4c\x89\x07"), STATUS, 0 },
    { "mov %ecx", B("\x89\x0f"), STATUS, 0 },
    { "mov %cx", B("\x66\x89\x0f"), STATUS, 0 },
    { "mov %cl", B("\x88\x0f"), STATUS, 0 },
    { "mov %ah", B("\x88\x27"), STATUS, 0 },
    { "mov %bh", B("\x88\x3f"), STATUS, 0 },
    { "mov %sil", B("\x40\x88\x37"), STATUS, 0 },
    { "mov %r8b", B("\x44\x88\x07"), STATUS, 0 },
    { "mov, disp8", B("\x48\x89\x47\x00"), STATUS, 0 },
    { "mov, disp32", B("\x48\x89\x87\x00\x00\x00\x00"), STATUS, 0 },
    { "mov, sib", B("\x48\x89\x04\x27"), STATUS, 0 },
    { "mov, sib disp8", B("\x48\x89\x44\x27\x00"), STATUS, 0 },
    { "movb $", B("\xc6\x07\x9c"), STATUS, 0 },
    { "movw $", B("\x66\xc7\x07\x34\x92"), STATUS, 0 },
    { "movl $", B("\xc7\x07\x78\x56\x34\x92"), STATUS, 0 },
    { "movq $, disp8", B("\x48\xc7\x47\x00\x78\x56\x34\x92"), STATUS, 0 },
    { "stosq", B("\x48\xab"), STATUS, 0 },
    { "stosl", B("\xab"), STATUS, 0 },
    { "stosw", B("\x66\xab"), STATUS, 0 },
    { "stosb", B("\xaa"), STATUS, 0 },
    { "xchg %rdx", B("\x48\x87\x17"), STATUS, 0 },
    { "xchg %edx", B("\x87\x17"), STATUS, 0 },
    { "xchg %dx", B("\x66\x87\x17"), STATUS, 0 },
    { "xchg %dh", B("\x86\x37"), STATUS, 0 },
    { "cmpxchg %rdx", B("\x48\x0f\xb1\x17"), STATUS, 0 },
    { "lock cmpxchg %rdx", B("\xf0\x48\x0f\xb1\x17"), STATUS, 0 },
    { "lock cmpxchg %edx", B("\xf0\x0f\xb1\x17"), STATUS, 0 },
    { "cmpxchg %dl", B("\x0f\xb0\x17"), STATUS, 0 },
    { "xadd %rcx", B("\xf0\x48\x0f\xc1\x0f"), STATUS, 0 },
    { "xadd %ecx", B("\x0f\xc1\x0f"), STATUS, 0 },
    { "xadd %ch", B("\x0f\xc0\x2f"), STATUS, 0 },
    { "add %rcx", B("\x48\x01\x0f"), STATUS, 0 },
    { "add %cl", B("\x00\x0f"), STATUS, 0 },
    { "sub %rcx", B("\x48\x29\x0f"), STATUS, 0 },
    { "sub %cx", B("\x66\x29\x0f"), STATUS, 0 },
    { "or %rcx", B("\x48\x09\x0f"), NO_AF, 0 },
    { "lock and %rcx", B("\xf0\x48\x21\x0f"), NO_AF, 0 },
    { "xor %ecx", B("\x31\x0f"), NO_AF, 0 },
    { "add $8", B("\x48\x83\x07\x80"), STATUS, 0 },
    { "or $8", B("\x48\x83\x0f\x80"), NO_AF, 0 },
    { "and $32", B("\x48\x81\x27\xfd\xff\xff\xff"), NO_AF, 0 },
    { "sub $16", B("\x66\x81\x2f\xfd\x0f"), STATUS, 0 },
    { "xor $8, byte", B("\x80\x37\x42"), NO_AF, 0 },
    { "andb $", B("\xf0\x80\x27\xfd"), NO_AF, 0 },
    { "bts %rcx", B("\xf0\x48\x0f\xab\x0f"), CF | ZF, 64 },
    { "btr %ecx", B("\x0f\xb3\x0f"), CF | ZF, 32 },
    { "btc %cx", B("\x66\x0f\xbb\x0f"), CF | ZF, 16 },
    { "bts $", B("\x48\x0f\xba\x2f\x01"), CF | ZF, 0 },
    { "btr $", B("\xf0\x48\x0f\xba\x37\x45"), CF | ZF, 0 },
    { "btc $", B("\x0f\xba\x3f\x3f"), CF | ZF, 0 },
};

static uint64_t merged(uint64_t old, uint64_t part, unsigned size)
{
    memcpy(&old, &part, size);
    return old;
}

static void random_frame(struct cpu_user_regs *r, const struct write_case *c, uint64_t memory)
{
    memset(r, 0, sizeof(*r));
    r->rax = random64() & 1 ? memory : random64();
    r->rcx = c->bit_index ? random64() % c->bit_index : random64() >> (random64() % 64);
    r->rdx = random64();
    r->rbx = random64();
    r->rsi = random64();
    r->r8 = random64();
    r->rip = 0x1000;
    r->rflags = X86_RFLAGS_MBS | (random64() & (STATUS | X86_RFLAGS_DF));
}

static bool frames_agree(const struct cpu_user_regs *r, const struct native *n, unsigned flags)
{
    return r->rax == n->rax && r->rcx == n->rcx && r->rdx == n->rdx && r->rbx == n->rbx && r->rsi == n->rsi &&
           r->rdi == n->rdi && r->r8 == n->r8 && !((r->rflags ^ n->rflags) & flags);
}

static bool agrees_once(const struct write_case *c, const void *code)
{
    uint64_t memory = random64(), ours = memory, old = 0;
    struct cpu_user_regs r;
    struct insn_write w;
    struct insn i;
    struct native n;

    random_frame(&r, c, memory);
    r.rdi = (uint64_t)&memory;
    n = (struct native){ r.rax, r.rcx, r.rdx, r.rbx, r.rsi, r.rdi, r.r8, r.rflags, code };
    if (decode(c->bytes, c->length, true, &i) || !i.write || i.length != c->length)
        return false;
    memcpy(&old, &ours, i.size);
    w = insn_execute(&i, &r, old);
    if (w.writes)
        ours = merged(ours, w.new, i.size);
    insn_finish(&i, &r, old, &w);
    run_native(&n);
    return ours == memory && r.rip == 0x1000 + c->length && frames_agree(&r, &n, c->flags);
}

static void writes_as_the_cpu(void)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CU_ASSERT_FATAL(code != MAP_FAILED);
    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        unsigned bad = 0;

        memcpy(code, writes[i].bytes, writes[i].length);
        code[writes[i].length] = 0xc3;
        for (unsigned round = 0; round < ROUNDS; round++)
            bad += !agrees_once(&writes[i], code);
        if (bad)
            printf("%s: %u of %u differ\n", writes[i].name, bad, ROUNDS);
        CU_ASSERT_EQUAL(bad, 0);
    }
    munmap(code, 4096);
}

/* --- Lengths and fields -------------------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    unsigned length;
    bool long_mode;
    unsigned opcode;
    unsigned size;            /* 0: no integer operand */
    unsigned address_size;
    int64_t imm;
} decodes[] = {
    { B("\x0f\x30"), true, 0x0f30, 0, 8, 0 },
    { B("\x0f\x32"), true, 0x0f32, 0, 8, 0 },
    { B("\x0f\x20\xc0"), true, 0x0f20, 0, 8, 0 },
    { B("\x44\x0f\x22\xc0"), true, 0x0f22, 0, 8, 0 },
    { B("\x0f\x22\x05"), true, 0x0f22, 0, 8, 0 },
    { B("\x0f\x01\xd1"), true, 0x0f01, 0, 8, 0 },
    { B("\x0f\x01\x38"), true, 0x0f01, 0, 8, 0 },
    { B("\x0f\x01\x3c\x25\x00\x10\x00\x00"), true, 0x0f01, 0, 8, 0 },
    { B("\xe4\x80"), true, 0xe4, 1, 8, -128 },
    { B("\x66\xe5\x80"), true, 0xe5, 2, 8, -128 },
    { B("\xec"), true, 0xec, 1, 8, 0 },
    { B("\x66\xef"), false, 0xef, 2, 4, 0 },
    { B("\xf3\x6c"), true, 0x6c, 1, 8, 0 },
    { B("\xf3\x67\x6f"), true, 0x6f, 4, 4, 0 },
    { B("\xf3\x67\x6d"), false, 0x6d, 4, 2, 0 },
    { B("\xcd\x80"), true, 0xcd, 0, 8, -128 },
    { B("\xcd\x03"), false, 0xcd, 0, 4, 3 },
    { B("\xfa"), true, 0xfa, 0, 8, 0 },
    { B("\x2e\x66\xfb"), true, 0xfb, 0, 8, 0 },
    { B("\x0f\x09"), true, 0x0f09, 0, 8, 0 },
    /* 16-bit addressing: no displacement, disp16 alone, disp8, disp16 */
    { B("\x67\x89\x07"), false, 0x89, 4, 2, 0 },
    { B("\x67\x89\x06\x34\x12"), false, 0x89, 4, 2, 0 },
    { B("\x67\x89\x47\x01"), false, 0x89, 4, 2, 0 },
    { B("\x67\x89\x87\x34\x12"), false, 0x89, 4, 2, 0 },
    /* rip-relative, then an immediate */
    { B("\xc7\x05\x00\x00\x00\x00\x01\x00\x00\x80"), true, 0xc7, 4, 8, -2147483647 },
    { B("\x48\xc7\x84\xc8\x01\x02\x03\x04\xff\xff\xff\xff"), true, 0xc7, 8, 8, -1 },
    { B("\x4f\x89\x3c\x25\x00\x00\x00\x00"), true, 0x89, 8, 8, 0 },
};

static void fields(void)
{
    for (unsigned i = 0; i < sizeof(decodes) / sizeof(decodes[0]); i++) {
        const char *bytes = decodes[i].bytes;
        struct insn in;

        CU_ASSERT_EQUAL(decode(bytes, decodes[i].length, decodes[i].long_mode, &in), 0);
        CU_ASSERT_EQUAL(in.length, decodes[i].length);
        CU_ASSERT_EQUAL(in.opcode, decodes[i].opcode);
        CU_ASSERT(!decodes[i].size || in.size == decodes[i].size);
        CU_ASSERT_EQUAL(in.address_size, decodes[i].address_size);
        CU_ASSERT_EQUAL(in.imm, decodes[i].imm);
        for (unsigned n = 0; n < decodes[i].length; n++)
            CU_ASSERT_NOT_EQUAL(decode(bytes, n, decodes[i].long_mode, &in), 0);
    }
}

static void registers(void)
{
    struct cpu_user_regs r;
    struct insn in;

    CU_ASSERT_PTR_EQUAL(insn_register(&r, 0), &r.rax);
    CU_ASSERT_PTR_EQUAL(insn_register(&r, 3), &r.rbx);
    CU_ASSERT_PTR_EQUAL(insn_register(&r, 4), &r.rsp);
    CU_ASSERT_PTR_EQUAL(insn_register(&r, 7), &r.rdi);
    CU_ASSERT_PTR_EQUAL(insn_register(&r, 15), &r.r15);
    CU_ASSERT_EQUAL(decode("\x45\x0f\x22\xd9", 4, true, &in), 0);
    CU_ASSERT_EQUAL(insn_reg(&in), 11);
    CU_ASSERT_EQUAL(insn_rm(&in), 9);
}

/* --- Refusals ------------------------------------------------------------------------------------------------------ */

static const struct { const char *bytes; unsigned length; } refused[] = {
    { B("\x48\x89\xc7") },              /* no memory operand */
    { B("\xf3\x48\xab") },              /* many writes */
    { B("\x67\x48\xab") },              /* half of rdi */
    { B("\x48\x83\x17\x01") },          /* adc */
    { B("\x48\x83\x3f\x01") },          /* cmp */
    { B("\x48\x0f\xba\x27\x01") },      /* bt */
    { B("\xc7\x0f\x00\x00\x00\x00") },  /* no such member of group 11 */
    { B("\x0f\x11\x07") },              /* movups */
    { B("\x0f\xc7\x0f") },              /* cmpxchg8b */
    { B("\x0f\x30") },                  /* writes no memory */
    { B("\xcd\x80") },
    { B("\x48\x66\x89\x07") },          /* REX must be last */
    { B("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x89\x07") },
    { B("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x89\x07") },
};

static void refusals(void)
{
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct insn w;

        CU_ASSERT(decode(refused[i].bytes, refused[i].length, true, &w) || !w.write);
    }
}

static void chance(void)
{
    static const uint8_t seed[] = "\x01\xf0\x48\x0f\xba\x6c\xc7\x40\x3f\x90\x90\x90\x90\x90\x90\x90";
    uint8_t bytes[20];

    CU_ASSERT_EQUAL(fuzz_mini(seed, sizeof(seed) - 1, 100000), 100000 + sizeof(seed));
    for (unsigned i = 0; i < 200000; i++) {
        for (unsigned at = 0; at < sizeof(bytes); at++)
            bytes[at] = (uint8_t)random64();
        (void)LLVMFuzzerTestOneInput(bytes, random64() % sizeof(bytes));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "writes_as_the_cpu", writes_as_the_cpu },
        { "fields", fields },
        { "registers", registers },
        { "refusals", refusals },
        { "chance", chance },
        { NULL, NULL },
    };

    return unit_main("insn", tests);
}
