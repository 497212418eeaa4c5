// SPDX-License-Identifier: MIT
//
// Our headers describe the same ABI as libxen-dev's: every constant, size and offset of ours is
// compared with theirs, with the numbers written down in expected.txt, and with what the assembler
// sees. With the argument "print" it writes their table in the format of expected.txt, which is how
// that file is made: never from ours.

#define _POSIX_C_SOURCE 200809L    // strdup

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "unit_main.h"

#define MAX_ROWS 8192
#define MAX_LINE 256
#define MAX_SHOWN 20

struct abi_row {
    const char *name;
    uint64_t value;
};

struct abi_table {
    const char *title;
    size_t nr_rows;
    struct abi_row rows[MAX_ROWS];
};

static struct abi_table ours = { .title = "include/public" };
static struct abi_table theirs = { .title = "libxen-dev" };
static struct abi_table expected = { .title = "expected.txt" };
static struct abi_table *filling;

static void table_add(const char *name, uint64_t value)
{
    if (filling->nr_rows == MAX_ROWS) {
        fprintf(stderr, "%s: more than %d rows\n", filling->title, MAX_ROWS);
        exit(1);
    }
    filling->rows[filling->nr_rows++] = (struct abi_row){ name, value };
}

// Small numbers either side of zero read best as decimals, all others are masks and addresses.
static void value_format(char text[32], uint64_t value)
{
    if (value + 0x10000 < 0x10000) {
        snprintf(text, 32, "-%llu", (unsigned long long)-value);
    } else if (value < 0x10000) {
        snprintf(text, 32, "%llu", (unsigned long long)value);
    } else {
        snprintf(text, 32, "0x%llx", (unsigned long long)value);
    }
}

// Splits "name value" at its last blank. Comments and empty lines have no row.
static bool line_parse(char *line, uint64_t *value)
{
    line[strcspn(line, "\n")] = '\0';
    char *blank = strrchr(line, ' ');
    char *end = NULL;

    if (line[0] == '#' || !blank) {
        return false;
    }
    *value = strtoull(blank + 1, &end, 0);
    *blank = '\0';
    return end != blank + 1 && *end == '\0';
}

static void expected_read(void)
{
    const char *source = getenv("PV_SRC");
    char path[4096];
    char line[MAX_LINE];
    uint64_t value;

    snprintf(path, sizeof(path), "%s/tests/abi/expected.txt", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return;
    }
    while (fgets(line, sizeof(line), file)) {
        if (line_parse(line, &value)) {
            table_add(strdup(line), value);
        }
    }
    fclose(file);
}

static const struct abi_row *row_find(const struct abi_table *table, const char *name)
{
    for (size_t i = 0; i < table->nr_rows; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

// Counts the rows of `a` that `b` lacks or has with another value, and prints the first of them.
static size_t tables_differ(const struct abi_table *a, const struct abi_table *b)
{
    size_t nr_different = 0;

    for (size_t i = 0; i < a->nr_rows; i++) {
        const struct abi_row *want = row_find(b, a->rows[i].name);
        char a_text[32];
        char b_text[32] = "nothing";

        if (want && want->value == a->rows[i].value) {
            continue;
        }
        value_format(a_text, a->rows[i].value);
        if (want) {
            value_format(b_text, want->value);
        }
        if (nr_different++ < MAX_SHOWN) {
            printf("%s: %s has %s, %s has %s\n", a->rows[i].name, a->title, a_text, b->title,
                   b_text);
        }
    }
    printf("%zu rows of %s compared with %zu of %s: %zu differ\n", a->nr_rows, a->title,
           b->nr_rows, b->title, nr_different);
    return nr_different;
}

static void test_ours_equals_theirs(void)
{
    CU_ASSERT_EQUAL(ours.nr_rows, theirs.nr_rows);
    CU_ASSERT_EQUAL(tables_differ(&ours, &theirs), 0);
}

static void test_ours_equals_expected(void)
{
    CU_ASSERT_EQUAL(tables_differ(&ours, &expected), 0);
}

static void test_expected_equals_ours(void)
{
    CU_ASSERT_NOT_EQUAL(expected.nr_rows, 0);
    CU_ASSERT_EQUAL(tables_differ(&expected, &ours), 0);
}

static void test_assembly_equals_ours(void)
{
    static struct abi_table assembly = { .title = "assembly" };
    const char *name = abi_asm_names;

    filling = &assembly;
    for (uint64_t i = 0; i < abi_asm_nr_rows; i++) {
        table_add(name, abi_asm_values[i]);
        name += strlen(name) + 1;
    }
    CU_ASSERT_NOT_EQUAL(assembly.nr_rows, 0);
    CU_ASSERT_EQUAL(tables_differ(&assembly, &ours), 0);
}

static int print_theirs(void)
{
    char text[32];

    printf("# SPDX-License-Identifier: MIT\n"
           "# Names and numbers of the PV ABI as libxen-dev has them: made by \"test_abi print\".\n");
    for (size_t i = 0; i < theirs.nr_rows; i++) {
        value_format(text, theirs.rows[i].value);
        printf("%s %s\n", theirs.rows[i].name, text);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        { "ours-equals-theirs", test_ours_equals_theirs },
        { "ours-equals-expected", test_ours_equals_expected },
        { "expected-equals-ours", test_expected_equals_ours },
        { "assembly-equals-ours", test_assembly_equals_ours },
        { NULL, NULL },
    };

    filling = &theirs;
    abi_list_theirs(table_add);
    if (argc == 2 && strcmp(argv[1], "print") == 0) {
        return print_theirs();
    }
    filling = &ours;
    abi_list_ours(table_add);
    filling = &expected;
    expected_read();
    return unit_main("abi", tests);
}
