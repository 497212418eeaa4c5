# SPDX-License-Identifier: MIT
# Comparisons of include/public with the headers of libxen-dev: append scripts to ABI_TESTS, or
# programs to ABI_TESTS, ABI_BUILD and check_PROGRAMS.
