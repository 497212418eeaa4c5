# SPDX-License-Identifier: MIT
# The model of a domain, and its three languages.
VANE_DEFINITION = \
    dom0-tools/definition/definition.c dom0-tools/definition/definition.h \
    dom0-tools/definition/fields.c dom0-tools/definition/fields.h \
    dom0-tools/definition/json.c \
    dom0-tools/definition/schema.c \
    dom0-tools/definition/values.c \
    dom0-tools/definition/xl.c \
    dom0-tools/definition/xml.c

noinst_LIBRARIES += dom0-tools/libvanedefinition.a
dom0_tools_libvanedefinition_a_SOURCES = $(VANE_DEFINITION)
dom0_tools_libvanedefinition_a_CPPFLAGS = $(USER_CPPFLAGS) $(XML_CPPFLAGS)
dom0_tools_libvanedefinition_a_CFLAGS = $(USER_CFLAGS)
VANE_DEFINITION_LIBS = -lxml2 -ljansson
