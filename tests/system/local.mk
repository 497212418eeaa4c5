# SPDX-License-Identifier: MIT
# Debian's kernels booted in QEMU: append scripts to SYSTEM_TESTS.
