// SPDX-License-Identifier: MIT
/*
 * Extended state (cpu/fpu.h). With XSAVE all components that we enable are saved and restored, whatever the guest's XCR0 is:
 * a component that it disabled keeps its contents. Called with CR0.TS clear, by the CPU that switches.
 */
#include "cpu/fpu.h"

#include "cpu/cpu_feature.h"
#include "lib/assert.h"
#include "lib/compiler.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "public/errno.h"

#define FXSAVE_SIZE   512u
#define HEADER_SIZE   64u
#define XSTATE_X87    UINT64_C(1)
#define XSTATE_SSE    UINT64_C(2)
#define XSTATE_YMM    UINT64_C(4)
#define XSTATE_ZMM    UINT64_C(0xe0)
#define DEFAULT_FCW   0x37f
#define DEFAULT_MXCSR 0x1f80u
#define DEFAULT_MXCSR_MASK 0xffbfu

struct fpu_state {
    uint64_t xcr0;                  /* the guest's */
    uint8_t unused[56];
    uint8_t area[];                 /* FXSAVE image, XSAVE header, components; 64-byte aligned */
};

static void reset(struct fpu_state *f)
{
    const uint16_t fcw = DEFAULT_FCW;
    const uint32_t mxcsr = DEFAULT_MXCSR;
    const uint64_t present = XSTATE_X87 | XSTATE_SSE;

    f->xcr0 = XSTATE_X87;
    memcpy(f->area, &fcw, sizeof(fcw));
    memcpy(f->area + 24, &mxcsr, sizeof(mxcsr));
    if (cpu_features.xsave)
        memcpy(f->area + FXSAVE_SIZE, &present, sizeof(present));
}

struct fpu_state *fpu_alloc(void)
{
    size_t size = cpu_features.xsave ? MAX(cpu_features.xsave_size, FXSAVE_SIZE + HEADER_SIZE) : FXSAVE_SIZE;
    struct fpu_state *f = heap_alloc(sizeof(*f) + size, 64);

    if (f)
        reset(f);
    return f;
}

void fpu_free(struct fpu_state *f)
{
    heap_free(f);
}

static void load_xcr0(uint64_t v)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

void fpu_save(struct fpu_state *f)
{
    uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);

    if (!cpu_features.xsave) {
        __asm__ volatile("fxsaveq %0" : "=m"(*(uint8_t (*)[FXSAVE_SIZE])f->area));
        return;
    }
    if (f->xcr0 != cpu_features.xcr0)
        load_xcr0(cpu_features.xcr0);
    __asm__ volatile("xsaveq (%0)" : : "r"(f->area), "a"(lo), "d"(hi) : "memory");
}

void fpu_restore(const struct fpu_state *f)
{
    uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);

    if (!cpu_features.xsave) {
        __asm__ volatile("fxrstorq %0" : : "m"(*(const uint8_t (*)[FXSAVE_SIZE])f->area));
        return;
    }
    load_xcr0(cpu_features.xcr0);
    __asm__ volatile("xrstorq (%0)" : : "r"(f->area), "a"(lo), "d"(hi) : "memory");
    if (f->xcr0 != cpu_features.xcr0)
        load_xcr0(f->xcr0);
}

void fpu_load_fxsave(struct fpu_state *f, const void *image)
{
    uint32_t mxcsr, mask;

    memcpy(f->area, image, FXSAVE_SIZE);
    memcpy(&mxcsr, f->area + 24, sizeof(mxcsr));
    memcpy(&mask, f->area + 28, sizeof(mask));
    mxcsr &= DEFAULT_MXCSR_MASK;
    mask = DEFAULT_MXCSR_MASK;
    memcpy(f->area + 24, &mxcsr, sizeof(mxcsr));
    memcpy(f->area + 28, &mask, sizeof(mask));
}

/* SDM vol. 1, 13.3: x87 always, AVX needs SSE, the three parts of AVX-512 come together and need AVX. */
static bool xcr0_is_valid(uint64_t v)
{
    return v & XSTATE_X87 && !(v & ~cpu_features.xcr0) && (!(v & XSTATE_YMM) || v & XSTATE_SSE) &&
           (!(v & XSTATE_ZMM) || ((v & XSTATE_ZMM) == XSTATE_ZMM && v & XSTATE_YMM));
}

int fpu_set_xcr0(struct fpu_state *f, uint64_t xcr0)
{
    if (!cpu_features.xsave || !xcr0_is_valid(xcr0))
        return -XEN_EINVAL;
    f->xcr0 = xcr0;
    load_xcr0(xcr0);
    return 0;
}
