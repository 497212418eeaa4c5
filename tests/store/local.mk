# SPDX-License-Identifier: MIT
# Tests of the store: its logic as unit tests, the daemon beside Debian's.
STORE_TEST_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include -I$(srcdir)/tests/lib -I$(srcdir)/tests/fuzz

UNIT_TESTS += tests/unit/test_xs_model
tests_unit_test_xs_model_SOURCES = tests/unit/test_xs_model.c $(STORE_PURE)
tests_unit_test_xs_model_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
