// SPDX-License-Identifier: MIT
// The standard C functions that ring 0 needs; the compiler too may call the memory ones. On the
// host the C library has them: only test_mem.c compiles this file there, under other names. String
// instructions count upwards: the direction flag is clear, the ABI and the entry code see to it.
#include "lib/base.h"

// Names in brackets: lib/string.h may have made macros of them. Words first: without fast string
// microcode, and in an emulator, a byte costs as much as a word.
void *(memcpy)(void *restrict to, const void *restrict from, size_t n)
{
    void *destination = to;
    const void *source = from;
    size_t words = n / 8;
    size_t bytes = n % 8;

    __asm__ volatile("rep movsq" : "+D"(destination), "+S"(source), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(bytes) : : "memory");
    return to;
}

void *(memset)(void *to, int byte, size_t n)
{
    void *destination = to;
    uint64_t pattern = (uint8_t)byte * UINT64_C(0x0101010101010101);
    size_t words = n / 8;
    size_t bytes = n % 8;

    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(destination), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

// Upwards is safe if the target does not begin inside the source. The volatile access keeps the
// compiler from turning the loop into a call of this very function.
void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);

    volatile uint8_t *destination = to;
    const uint8_t *source = from;
    while (n-- > 0)
        destination[n] = source[n];
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < n; i++) {
        if (left[i] != right[i])
            return left[i] - right[i];
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (READ_ONCE(s[n]) != '\0')
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i])
            return (uint8_t)a[i] - (uint8_t)b[i];
        if (a[i] == '\0')
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        if (*s == '\0')
            return NULL;
    }
    return (char *)(uintptr_t)s;
}
