# SPDX-License-Identifier: MIT
# Tests of the toolstack that need no hypervisor.
TOOLS_TEST_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include -I$(srcdir)/tests/lib -I$(srcdir)/tests/fuzz

UNIT_TESTS += tests/unit/test_vane_error
tests_unit_test_vane_error_SOURCES = tests/unit/test_vane_error.c dom0-tools/lib/error.c
tests_unit_test_vane_error_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)

# Kernels and the builder, with a short run of the fuzz target.
VANE_CODECS = -llzma -lzstd -lz -llz4 -lbz2 -llzo2
VANE_BUILD = dom0-tools/lib/build.c dom0-tools/lib/hv.c dom0-tools/lib/image.c \
    dom0-tools/lib/image_codec.c dom0-tools/lib/image_parse.c dom0-tools/lib/error.c dom0-tools/lib/sandbox.c
UNIT_TESTS += tests/unit/test_vane_image tests/unit/test_vane_build
tests_unit_test_vane_image_SOURCES = tests/unit/test_vane_image.c tests/fuzz/kernel.c $(FUZZ_MINI) $(VANE_BUILD) \
    dom0-tools/lib/xen_linux.c
tests_unit_test_vane_image_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_vane_image_LDADD = $(LDADD) $(VANE_CODECS)
tests_unit_test_vane_build_SOURCES = tests/unit/test_vane_build.c $(VANE_BUILD) dom0-tools/lib/xen_linux.c
tests_unit_test_vane_build_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_vane_build_LDADD = $(LDADD) $(VANE_CODECS)

UNIT_TESTS += tests/unit/test_vane_hv
tests_unit_test_vane_hv_SOURCES = tests/unit/test_vane_hv.c $(VANE_BUILD)
tests_unit_test_vane_hv_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_vane_hv_LDADD = $(LDADD) $(VANE_CODECS)

UNIT_TESTS += tests/unit/test_vane_device
tests_unit_test_vane_device_SOURCES = tests/unit/test_vane_device.c dom0-tools/lib/device.c dom0-tools/lib/domain.c \
    dom0-tools/lib/error.c xenstore-like/client/xs.c
tests_unit_test_vane_device_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)

UNIT_TESTS += tests/unit/test_vane_domain
tests_unit_test_vane_domain_SOURCES = tests/unit/test_vane_domain.c dom0-tools/lib/domain.c dom0-tools/lib/error.c
tests_unit_test_vane_domain_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)

UNIT_TESTS += tests/unit/test_vane_console
tests_unit_test_vane_console_SOURCES = tests/unit/test_vane_console.c dom0-tools/lib/console.c dom0-tools/lib/error.c
tests_unit_test_vane_console_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)

# What the system tests drive libvane with.
check_PROGRAMS += tests/tools/vane-build
tests_tools_vane_build_SOURCES = tests/tools/vane_build.c
tests_tools_vane_build_CPPFLAGS = $(USER_CPPFLAGS)
tests_tools_vane_build_CFLAGS = $(USER_CFLAGS)
tests_tools_vane_build_LDFLAGS =
tests_tools_vane_build_LDADD = $(VANE_LIBS)
SYSTEM_BUILD += tests/tools/vane-build
