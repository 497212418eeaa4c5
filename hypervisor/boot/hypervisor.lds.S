// SPDX-License-Identifier: MIT
/*
 * The image: one run of bytes, loaded at IMAGE_PHYS_START and mapped at IMAGE_VIRT_START. Parts of
 * one access right start at page boundaries. From _init_start to _init_end is what only the start
 * of day uses, the decoders included; its frames go to the allocator before dom0 runs.
 */
#include "mm/layout.h"

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(multiboot_entry)
PHDRS { image PT_LOAD FLAGS(7); }

#define CODECS *liblzma*.a:* *libzstd*.a:* *libz*.a:* *liblz4*.a:* *libcodec*.a:*

SECTIONS
{
    . = IMAGE_VIRT_START;
    _image_start = .;
    .text : AT(IMAGE_PHYS_START) {
        *(.head)
        *(.text.entry)
        *(EXCLUDE_FILE(CODECS) .text EXCLUDE_FILE(CODECS) .text.*)
        . = ALIGN(4096);
    } :image
    _rodata_start = .;
    .rodata : {
        *(EXCLUDE_FILE(CODECS) .rodata EXCLUDE_FILE(CODECS) .rodata.*)
        *(EXCLUDE_FILE(CODECS) .data.rel.ro EXCLUDE_FILE(CODECS) .data.rel.ro.*)
        . = ALIGN(8);
        _extable_start = .;
        KEEP(*(.extable))
        _extable_end = .;
        _smap_patch_start = .;
        KEEP(*(.smap_patch))
        _smap_patch_end = .;
        . = ALIGN(4096);
    } :image
    _data_start = .;
    .data : {
        *(EXCLUDE_FILE(CODECS) .data EXCLUDE_FILE(CODECS) .data.*)
        . = ALIGN(64);
        _percpu_start = .;
        *(.percpu)
        . = ALIGN(64);
        _percpu_end = .;
        . = ALIGN(4096);
    } :image
    _init_start = .;
    .init : {
        *(.init.text)
        *(.text .text.*)
        . = ALIGN(4096);
        _init_data_start = .;
        *(.init.rodata .rodata .rodata.*)
        *(.data.rel.ro .data.rel.ro.* .init_array .ctors .got .got.plt)
        *(.init.data .data .data.*)
        . = ALIGN(32);
        *libcodec*.a:*(.bss .bss.* COMMON)
        *liblzma*.a:*(.bss .bss.* COMMON)
        *libzstd*.a:*(.bss .bss.* COMMON)
        *libz*.a:*(.bss .bss.* COMMON)
        . = ALIGN(4096);
    } :image
    _init_end = .;
    _load_end = .;
    .bss (NOLOAD) : {
        /* Here and not in head.S: a section's alignment would move the image in the file, and
           multiboot looks for its header in the first 8 KiB. */
        . = ALIGN(CPU_STACK_SIZE);
        *(.bss.page_aligned)
        *(.bss .bss.* COMMON)
        . = ALIGN(4096);
    } :image
    _image_end = .;

    /DISCARD/ : { *(.comment) *(.note .note.*) *(.eh_frame) *(.gnu.*) *(.interp) *(.dynamic)
                  *(.dynsym) *(.dynstr) *(.hash) *(.rela.*) }
}
