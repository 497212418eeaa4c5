// SPDX-License-Identifier: MIT
// How the tools say that something failed.
#include <errno.h>
#include <string.h>

#include "dom0-tools/lib/error.h"
#include "unit_main.h"

static void sentence(void)
{
    struct vane_error error = { 0 };

    CU_ASSERT_EQUAL(vane_fail(&error, VANE_INVALID, "memory: %d MiB", 3), -VANE_INVALID);
    CU_ASSERT_EQUAL(error.kind, VANE_INVALID);
    CU_ASSERT_STRING_EQUAL(error.text, "memory: 3 MiB");
    CU_ASSERT_EQUAL(vane_fail_in(&error, "guest %s: ", "web"), -VANE_INVALID);
    CU_ASSERT_STRING_EQUAL(error.text, "guest web: memory: 3 MiB");
    vane_fail(&error, VANE_DENIED, "%s again", error.text);
    CU_ASSERT_STRING_EQUAL(error.text, "guest web: memory: 3 MiB again");
}

static void of_errno(void)
{
    struct vane_error error;

    CU_ASSERT_EQUAL(vane_fail_errno(&error, -ENOMEM, "populating"), -VANE_NO_RESOURCE);
    CU_ASSERT_STRING_EQUAL(error.text, "populating: Cannot allocate memory");
    CU_ASSERT_EQUAL(vane_fail_errno(&error, EIO, "reading"), -VANE_SYSTEM);
    CU_ASSERT_EQUAL(vane_fail_errno(&error, ESRCH, "pausing"), -VANE_NOT_FOUND);
}

// A guest's bytes reach the terminal as text, and a sentence that is too long is cut.
static void hostile_text(void)
{
    struct vane_error error;
    char text[2 * VANE_ERROR_SIZE];

    vane_fail(&error, VANE_INVALID, "%s", "a\x1b[2J\n\x7f" "b");
    CU_ASSERT_STRING_EQUAL(error.text, "a?[2J??b");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    vane_fail(&error, VANE_INVALID, "%s", text);
    CU_ASSERT_EQUAL(strlen(error.text), VANE_ERROR_SIZE - 1);
    vane_fail_in(&error, "long: ");
    CU_ASSERT_EQUAL(strlen(error.text), VANE_ERROR_SIZE - 1);
    CU_ASSERT_EQUAL(strncmp(error.text, "long: xxx", 9), 0);
    vane_fail_errno(&error, ENOENT, "%s", text);
    CU_ASSERT_EQUAL(strlen(error.text), VANE_ERROR_SIZE - 1);
}

static void names(void)
{
    for (int kind = 0; kind < VANE_NR_KINDS; kind++)
        CU_ASSERT_STRING_NOT_EQUAL(vane_kind_name((enum vane_kind)kind), "unknown");
    CU_ASSERT_STRING_EQUAL(vane_kind_name(VANE_NOT_FOUND), "not-found");
    CU_ASSERT_STRING_EQUAL(vane_kind_name((enum vane_kind)-1), "unknown");
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "sentence", sentence },
        { "of_errno", of_errno },
        { "hostile_text", hostile_text },
        { "names", names },
        { NULL, NULL },
    };

    return unit_main("vane_error", tests);
}
