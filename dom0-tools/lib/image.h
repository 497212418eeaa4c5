// SPDX-License-Identifier: MIT
// A guest's kernel, from the file that a distribution installs (bzImage with any of Linux' compressions, a
// compressed or plain ELF file) to an ELF file in memory and a plan of how to start it.
//
// A kernel is foreign bytes: image_load() unpacks and parses it in a child process that has no privileges, no
// file descriptors and a few system calls, and within limits of memory and time. What the child says is checked
// before it is used.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum {
    IMAGE_MAX_SEGMENTS = 16,
    IMAGE_MAX_SIZE = 256 << 20,     // bytes, of the file and of what it unpacks to
    IMAGE_TIME_LIMIT = 120,         // seconds
};

// The guest-physical place of bytes of the ELF file; what is behind file_size is zero.
struct image_segment { uint64_t offset, file_size, address, mem_size; };

struct image_plan {
    uint64_t entry;                 // guest-virtual, as the next three
    uint64_t virt_base;             // where guest-physical 0 is mapped
    uint64_t hypercall_page;        // where has_hypercall_page
    uint64_t init_p2m;              // where has_init_p2m
    uint64_t end;                   // guest-physical, behind the last segment
    uint32_t features;              // XENFEAT_*, those the kernel can use
    uint32_t nr_segments;           // in the order of addresses, without overlap
    uint8_t has_hypercall_page, has_init_p2m;
    uint8_t module_by_frame;        // the initramfs need not be mapped
    char guest_os[17], guest_version[17];
    struct image_segment segments[IMAGE_MAX_SEGMENTS];
};

struct image {
    int memfd;                      // the ELF file, sealed, from byte `offset` on
    size_t offset, size;
    struct image_plan plan;
};

int image_load(const char *path, struct image *image, struct vane_error *error);
void image_free(struct image *image);

// Unpacked kernels by the file they came from (its inode, size and times of change), the few used last: seconds of
// a create go into unpacking. An image is valid until the next call on the cache.
struct image_cache;
int image_cache_new(struct image_cache **cache, struct vane_error *error);
void image_cache_free(struct image_cache *cache);
int image_cache_get(struct image_cache *cache, const char *path, const struct image **image, struct vane_error *error);

// --- The parts that have no side effects, for image_load()'s child and for tests

// Room that the ELF file is unpacked to; `size` is what is in use.
struct image_room { uint8_t *at; size_t room, size; };

int image_parse(const uint8_t *file, size_t size, struct image_room *elf, struct image_plan *plan,
                struct vane_error *error);
// Whether a plan is true of an ELF file of `size` bytes: nothing in it reaches beyond what it may.
bool image_plan_is_sound(const struct image_plan *plan, size_t size);
// Whether a range lies in one half of the address space and outside of the hypervisor's part.
bool image_range_is_guests(uint64_t start, uint64_t size);
// *known is whether `data` starts as a compressed file does. On success it has been unpacked.
int image_decompress(const uint8_t *data, size_t size, struct image_room *out, bool *known, struct vane_error *error);
