# SPDX-License-Identifier: MIT
# Files and flags of the freestanding image. HV_CPPFLAGS and HV_CFLAGS are also what tests/lint uses
# to compile each header alone.
HV_CPPFLAGS = -I$(abs_srcdir)/hypervisor -I$(abs_srcdir)/include
HV_CFLAGS = -std=c11 -O2 -g $(WARNINGS) -ffreestanding -fno-pie -mno-red-zone -mgeneral-regs-only \
    -mcmodel=large -fno-stack-protector -fno-asynchronous-unwind-tables
