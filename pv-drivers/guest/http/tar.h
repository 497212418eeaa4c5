// SPDX-License-Identifier: MIT
//
// The files of a tar archive that lies straight on a disk: where each begins. Formats: ustar, GNU's and pax,
// with names of up to 255 bytes and files of up to 8 GiB; files beyond that, and sparse ones, are counted and
// left out. The disk is hostile: everything it says is checked against its size.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK 512u
#define TAR_MAX_FILES 2048u
#define TAR_MAX_NAME 256u          // with its closing zero
#define TAR_MAX_NAMES (128u << 10)
#define TAR_MAX_WHY 128u

struct tar_file {
    const char *name;              // without "./" or "/" before it
    uint64_t block;
    uint64_t size;
};

struct tar {
    struct tar_file files[TAR_MAX_FILES];
    unsigned nr_files, nr_left_out;
    char names[TAR_MAX_NAMES];
    size_t names_used;
    char why[TAR_MAX_WHY];         // a sentence, if tar_index() fails
};

// Copies one block; false if it cannot be read.
typedef bool tar_read_fn(void *arg, uint64_t block, void *data);
bool tar_index(struct tar *t, uint64_t nr_blocks, tar_read_fn *read, void *arg);
// The file of that name which was added last, or NULL.
const struct tar_file *tar_find(const struct tar *t, const char *name);
