# SPDX-License-Identifier: MIT
# Comparisons of include/public with the headers of libxen-dev: append scripts to ABI_TESTS, or
# programs to ABI_TESTS, ABI_BUILD and check_PROGRAMS.
ABI_TESTS += tests/abi/test_abi
ABI_BUILD += tests/abi/test_abi
check_PROGRAMS += tests/abi/test_abi
tests_abi_test_abi_SOURCES = tests/abi/test_abi.c tests/abi/ours.c tests/abi/theirs.c \
    tests/abi/assembly.S tests/abi/table.h
tests_abi_test_abi_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/tests/lib -I$(srcdir)/tests/abi \
    -Itests/abi
CLEANFILES += tests/abi/rows.inc

ABI_OBJECTS = tests/abi/test_abi-ours.$(OBJEXT) tests/abi/test_abi-theirs.$(OBJEXT) \
    tests/abi/test_abi-assembly.$(OBJEXT)
$(ABI_OBJECTS): tests/abi/rows.inc
tests/abi/rows.inc: tests/abi/rows.py include/public/local.mk $(PUBLIC_ABI_FILES)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	    $(srcdir)/tests/abi/rows.py $(srcdir) $(PUBLIC_ABI_FILES) >$@.tmp && mv $@.tmp $@
