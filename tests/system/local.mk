# SPDX-License-Identifier: MIT
# Debian's kernels booted in QEMU. An entry is a set of cases that run side by side; stress has the
# machine for itself.
SYSTEM_TESTS += \
    tests/system/run:boot \
    tests/system/run:kernel,grub,reboot,crash,no-initramfs \
    tests/system/run:broken,option \
    tests/system/run:dev \
    tests/system/run:guests \
    tests/system/run:vaned,unikernel \
    tests/system/run:selftests \
    tests/system/run:stress

# Minutes each, under Debian's Xen and ours.
SYSTEM_TESTS += $(if $(FULL),$(addprefix tests/system/peer:,xl xl-io xl-sched xl-many xl-life xl-time xl-cross xl-store xl-vane xl-http))
UNDER_XEN = tests/system/run-xen:vane,vaned,store,unikernel-http
SYSTEM_TESTS += $(if $(FULL),tests/system/run:io-kills $(UNDER_XEN))

EXTRA_DIST += \
    tests/system/README.md \
    tests/system/cases.sh \
    tests/system/clocks.c \
    tests/system/debian.sh \
    tests/system/demo \
    tests/system/dom0 \
    tests/system/domstat.c \
    tests/system/lib.sh \
    tests/system/peer \
    tests/system/run \
    tests/system/run-xen \
    tests/system/selftests.list \
    tests/system/setup.sh \
    tests/system/tools.sh
