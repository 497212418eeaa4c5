// SPDX-License-Identifier: MIT
/* Building the control domain from the boot modules. */
#pragma once
#include "boot/bootinfo.h"

struct domain;

/*
 * Module 0 is the kernel, module 1 (if any) its initramfs. Returns the domain, its vCPU 0 ready to
 * run; on failure says why on the console (`cannot start: cause: cure`) and stops the machine.
 */
struct domain *dom0_build(const struct bootinfo *info);
void boot_stop(const char *format, ...) PRINTF_LIKE(1, 2) NORETURN;    /* main.c */
