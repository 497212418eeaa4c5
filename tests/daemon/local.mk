# SPDX-License-Identifier: MIT
# vaned over a simulated host, with the real vane and curl.
check_PROGRAMS += tests/daemon/vaned
tests_daemon_vaned_SOURCES = $(VANED) tests/daemon/host_sim.c $(DEFINITION_TEST_SOURCES)
tests_daemon_vaned_CPPFLAGS = $(DEFINITION_TEST_CPPFLAGS)
tests_daemon_vaned_LDADD = $(VANED_LIBS)

UNIT_RUN += tests/daemon/test_vaned
UNIT_BUILD += tests/daemon/vaned dom0-tools/vane dom0-tools/vane.1 dom0-tools/vane.bash
