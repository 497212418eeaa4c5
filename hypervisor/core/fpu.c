// SPDX-License-Identifier: MIT
/*
 * Extended state (cpu/fpu.h). With XSAVE all components that we enable are saved and restored, whatever the guest's XCR0 is:
 * a component that it disabled keeps its contents. Called with CR0.TS clear, by the CPU that switches.
 */
#include "cpu/cpu_feature.h"
#include "cpu/fpu.h"
#include "mm/heap.h"

#define HEADER_SIZE   64u
#define XSTATE_X87    UINT64_C(1)
#define XSTATE_SSE    UINT64_C(2)
#define XSTATE_YMM    UINT64_C(4)
#define XSTATE_ZMM    UINT64_C(0xe0)
#define DEFAULT_FCW   0x37f
#define DEFAULT_MXCSR 0x1f80u
#define DEFAULT_MXCSR_MASK 0xffbfu

/* The FXSAVE image, as far as we look at it. */
struct fxsave {
    uint16_t fcw;
    uint8_t unused[22];
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
    uint8_t registers[480];
};
_Static_assert(sizeof(struct fxsave) == 512, "SDM vol. 1, 10.5");

struct fpu_state {
    uint64_t xcr0;                  /* the guest's */
    uint8_t unused[56];
    struct fxsave fx;               /* 64-byte aligned */
    uint64_t xstate_bv;             /* with XSAVE only: the rest of its header, and components */
};

struct fpu_state *fpu_alloc(void)
{
    size_t least = sizeof(struct fxsave) + (cpu_features.xsave ? HEADER_SIZE : 0);
    size_t size = MAX((size_t)cpu_features.xsave_size, least);
    struct fpu_state *f = heap_alloc(offsetof(struct fpu_state, fx) + size);

    if (!f)
        return NULL;
    f->xcr0 = XSTATE_X87;
    f->fx.fcw = DEFAULT_FCW;
    f->fx.mxcsr = DEFAULT_MXCSR;
    if (cpu_features.xsave)
        f->xstate_bv = XSTATE_X87 | XSTATE_SSE;
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

/* The instructions' own mask is all ones: what XCR0 enables decides. */
void fpu_save(struct fpu_state *f)
{
    if (!cpu_features.xsave) {
        __asm__ volatile("fxsaveq %0" : "=m"(f->fx));
        return;
    }
    if (f->xcr0 != cpu_features.xcr0)
        load_xcr0(cpu_features.xcr0);
    __asm__ volatile("xsaveq (%0)" : : "r"(&f->fx), "a"(-1), "d"(-1) : "memory");
}

void fpu_restore(const struct fpu_state *f)
{
    if (!cpu_features.xsave) {
        __asm__ volatile("fxrstorq %0" : : "m"(f->fx));
        return;
    }
    load_xcr0(cpu_features.xcr0);
    __asm__ volatile("xrstorq (%0)" : : "r"(&f->fx), "a"(-1), "d"(-1) : "memory");
    if (f->xcr0 != cpu_features.xcr0)
        load_xcr0(f->xcr0);
}

void fpu_load_fxsave(struct fpu_state *f, const void *image)
{
    memcpy(&f->fx, image, sizeof(f->fx));
    f->fx.mxcsr &= DEFAULT_MXCSR_MASK;
    f->fx.mxcsr_mask = DEFAULT_MXCSR_MASK;
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

void fpu_store_fxsave(const struct fpu_state *f, void *image)
{
    memcpy(image, &f->fx, sizeof(f->fx));
}

const void *fpu_xstate(const struct fpu_state *f, uint64_t *xcr0, size_t *size)
{
    *xcr0 = f->xcr0;
    *size = cpu_features.xsave_size;
    return cpu_features.xsave ? &f->fx : NULL;
}

/* SDM vol. 1, 13.4.2 and 13.8: the header names components that are there, in standard format; the rest of it is 0. */
int fpu_load_xstate(struct fpu_state *f, uint64_t xcr0, const void *area, size_t size)
{
    static const uint8_t zero[HEADER_SIZE];
    const uint8_t *header = (const uint8_t *)area + sizeof(f->fx);
    uint64_t present;

    if (!cpu_features.xsave || !xcr0_is_valid(xcr0) || size < sizeof(f->fx) + HEADER_SIZE)
        return -XEN_EINVAL;
    memcpy(&present, header, sizeof(present));
    if (present & ~xcr0 || size > cpu_features.xsave_size || memcmp(header + 8, zero, HEADER_SIZE - 8))
        return -XEN_EINVAL;
    f->xcr0 = xcr0;
    memset(&f->fx, 0, cpu_features.xsave_size);
    memcpy(&f->fx, area, size);
    fpu_load_fxsave(f, area);
    return 0;
}
