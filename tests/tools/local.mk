# SPDX-License-Identifier: MIT
# Tests of the toolstack that need no hypervisor.
TOOLS_TEST_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include -I$(srcdir)/tests/lib -I$(srcdir)/tests/fuzz

UNIT_TESTS += tests/unit/test_vane_error
tests_unit_test_vane_error_SOURCES = tests/unit/test_vane_error.c dom0-tools/lib/error.c
tests_unit_test_vane_error_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
