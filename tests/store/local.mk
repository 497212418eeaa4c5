# SPDX-License-Identifier: MIT
# Tests of the store: its logic as unit tests, the daemon beside Debian's.
STORE_TEST_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include -I$(srcdir)/tests/lib -I$(srcdir)/tests/fuzz

UNIT_TESTS += tests/unit/test_xs_rules
tests_unit_test_xs_rules_SOURCES = tests/unit/test_xs_rules.c $(STORE_PURE)
tests_unit_test_xs_rules_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
UNIT_TESTS += tests/unit/test_xs_client
tests_unit_test_xs_client_SOURCES = tests/unit/test_xs_client.c xenstore-like/client/xs.c
tests_unit_test_xs_client_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
UNIT_TESTS += tests/unit/test_xs_tree
tests_unit_test_xs_tree_SOURCES = tests/unit/test_xs_tree.c $(STORE_PURE)
tests_unit_test_xs_tree_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
UNIT_TESTS += tests/unit/test_xs_model
tests_unit_test_xs_model_SOURCES = tests/unit/test_xs_model.c $(STORE_PURE)
tests_unit_test_xs_model_CPPFLAGS = $(STORE_TEST_CPPFLAGS)

UNIT_TESTS += tests/unit/test_xs_fuzz
tests_unit_test_xs_fuzz_SOURCES = tests/unit/test_xs_fuzz.c tests/fuzz/store.c $(FUZZ_MINI) $(STORE_DAEMON) tests/store/xen_sim.c
tests_unit_test_xs_fuzz_CPPFLAGS = $(STORE_TEST_CPPFLAGS)

# The daemon with a folder of files in place of the hypervisor: sanitized, and as fast as it is.
STORE_SIMULATED = $(STORE_DAEMON) xenstore-like/daemon/main.c tests/store/xen_sim.c
check_PROGRAMS += tests/store/stored tests/store/stored_fast tests/store/storebench
tests_store_stored_SOURCES = $(STORE_SIMULATED) tests/store/sandbox_sim.c
tests_store_stored_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
tests_store_stored_LDADD =
tests_store_stored_fast_SOURCES = $(STORE_SIMULATED) dom0-tools/lib/sandbox.c
tests_store_stored_fast_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
tests_store_stored_fast_CFLAGS = $(USER_CFLAGS)
tests_store_stored_fast_LDFLAGS =
tests_store_stored_fast_LDADD =
tests_store_storebench_SOURCES = tests/bench/storebench.c
tests_store_storebench_CPPFLAGS = $(STORE_TEST_CPPFLAGS)
tests_store_storebench_CFLAGS = $(USER_CFLAGS)
tests_store_storebench_LDFLAGS =
tests_store_storebench_LDADD =

# What lets Debian's daemons run here: tests/store/rig.py preloads it.
STORE_STUB = tests/store/xenstub.so
CLEANFILES += $(STORE_STUB)
tests/store/xenstub.so: $(srcdir)/tests/store/xenstub.c
	@mkdir -p tests/store
	$(AM_V_CCLD)$(CC) -std=gnu11 -O2 $(WARNINGS) -shared -fPIC -o $@ $<

UNIT_RUN += tests/store/test_daemon tests/store/test_crash tests/store/test_client
UNIT_BUILD += xenstore-like/vane-store tests/store/stored tests/store/stored_fast tests/store/storebench $(STORE_STUB)
