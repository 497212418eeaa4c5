# SPDX-License-Identifier: MIT
# vaned over a simulated host, with the real vane and curl.
check_PROGRAMS += tests/daemon/vaned
tests_daemon_vaned_SOURCES = $(VANED) tests/daemon/host_sim.c $(DEFINITION_TEST_SOURCES) \
    dom0-tools/lib/device.c xenstore-like/client/xs.c
tests_daemon_vaned_CPPFLAGS = $(DEFINITION_TEST_CPPFLAGS)
tests_daemon_vaned_LDADD = $(VANED_LIBS)

# The same for ThreadSanitizer, which cannot be had together with the others.
check_PROGRAMS += tests/daemon/vaned_tsan
tests_daemon_vaned_tsan_SOURCES = $(tests_daemon_vaned_SOURCES)
tests_daemon_vaned_tsan_CPPFLAGS = $(DEFINITION_TEST_CPPFLAGS)
tests_daemon_vaned_tsan_CFLAGS = -std=c11 -O1 -g $(WARNINGS) -fsanitize=thread
tests_daemon_vaned_tsan_LDFLAGS = -fsanitize=thread
tests_daemon_vaned_tsan_LDADD = $(VANED_LIBS)

UNIT_RUN += tests/daemon/test_vaned tests/daemon/test_threads
UNIT_BUILD += tests/daemon/vaned tests/daemon/vaned_tsan dom0-tools/vane dom0-tools/vane.1 dom0-tools/vane.bash

UNIT_TESTS += tests/unit/test_vane_nics
tests_unit_test_vane_nics_SOURCES = tests/unit/test_vane_nics.c dom0-tools/daemon/devices.c $(DEFINITION_TEST_SOURCES)
tests_unit_test_vane_nics_CPPFLAGS = $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_vane_nics_LDADD = $(DEFINITION_TEST_LDADD)

# A short run of the fuzz target.
UNIT_TESTS += tests/unit/test_fuzz_http
tests_unit_test_fuzz_http_SOURCES = tests/unit/test_fuzz_seed.c tests/fuzz/http.c $(FUZZ_MINI) $(VANED_PARTS) \
    tests/daemon/host_sim.c $(DEFINITION_TEST_SOURCES) dom0-tools/lib/device.c xenstore-like/client/xs.c
tests_unit_test_fuzz_http_CPPFLAGS = -DTARGET='"http"' $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_fuzz_http_LDADD = $(LDADD) $(VANED_LIBS)
