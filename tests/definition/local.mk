# SPDX-License-Identifier: MIT
# Tests of the model of a domain.
DEFINITION_TEST_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir) -I$(srcdir)/include -I$(srcdir)/tests/lib \
    -I$(srcdir)/tests/fuzz $(XML_CPPFLAGS)
DEFINITION_TEST_SOURCES = $(VANE_DEFINITION) dom0-tools/lib/error.c
DEFINITION_TEST_LDADD = $(LDADD) $(VANE_DEFINITION_LIBS)

UNIT_TESTS += tests/unit/test_definition
tests_unit_test_definition_SOURCES = tests/unit/test_definition.c $(DEFINITION_TEST_SOURCES)
tests_unit_test_definition_CPPFLAGS = $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_definition_LDADD = $(DEFINITION_TEST_LDADD)

UNIT_TESTS += tests/unit/test_fuzz_domain_xml tests/unit/test_fuzz_domain_json tests/unit/test_fuzz_domain_xl
tests_unit_test_fuzz_domain_xml_SOURCES = tests/unit/test_fuzz_seed.c tests/fuzz/domain_xml.c tests/fuzz/definition.h \
    $(FUZZ_MINI) $(DEFINITION_TEST_SOURCES)
tests_unit_test_fuzz_domain_xml_CPPFLAGS = -DTARGET='"domain_xml"' $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_fuzz_domain_xml_LDADD = $(DEFINITION_TEST_LDADD)
tests_unit_test_fuzz_domain_json_SOURCES = tests/unit/test_fuzz_seed.c tests/fuzz/domain_json.c $(FUZZ_MINI) \
    $(DEFINITION_TEST_SOURCES)
tests_unit_test_fuzz_domain_json_CPPFLAGS = -DTARGET='"domain_json"' $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_fuzz_domain_json_LDADD = $(DEFINITION_TEST_LDADD)
tests_unit_test_fuzz_domain_xl_SOURCES = tests/unit/test_fuzz_seed.c tests/fuzz/domain_xl.c $(FUZZ_MINI) \
    $(DEFINITION_TEST_SOURCES)
tests_unit_test_fuzz_domain_xl_CPPFLAGS = -DTARGET='"domain_xl"' $(DEFINITION_TEST_CPPFLAGS)
tests_unit_test_fuzz_domain_xl_LDADD = $(DEFINITION_TEST_LDADD)
