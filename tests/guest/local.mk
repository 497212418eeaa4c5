# SPDX-License-Identifier: MIT
# Tiny PV kernels booted in QEMU: append their images to GUEST_BUILD, and one entry per test to
# GUEST_TESTS.
