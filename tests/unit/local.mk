# SPDX-License-Identifier: MIT
# Unit tests: one program per source file under test, linked with the sources it needs. They take
# their flags from the top Makefile.am (host, sanitizers, fakes first).
UNIT_TESTS += tests/unit/test_unit_main
tests_unit_test_unit_main_SOURCES = tests/unit/test_unit_main.c
