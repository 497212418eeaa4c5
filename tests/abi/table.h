// SPDX-License-Identifier: MIT
//
// The tables that test_abi compares: the same rows, expanded with our headers, with libxen-dev's,
// and by the assembler. Only plain integers here: this is included next to either set of headers.

#pragma once

#include <stdint.h>

// Called once for each row, in the same order by every table.
typedef void abi_row_fn(const char *name, uint64_t value);

void abi_list_ours(abi_row_fn *row);
void abi_list_theirs(abi_row_fn *row);

// What the assembler makes of our constants: names one after the other, each closed by a zero byte.
extern const char abi_asm_names[];
extern const uint64_t abi_asm_values[];
extern const uint64_t abi_asm_nr_rows;
