// SPDX-License-Identifier: MIT
// Commands that need no vaned: the store, and the schema of definitions.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../definition/definition.h"
#include "vane.h"

// Whether `words`, as the table has them, begin with a choice of which one is this.
static bool is_choice(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (; *words != ' '; words += strcspn(words, "| ") + (words[strcspn(words, "| ")] == '|'))
        if (strncmp(words, word, length) == 0 && strchr("| ", words[length]))
            return true;
    return false;
}

// The store's own command does all of it; it stands beside this one.
int run_store(const struct vane *vane, const struct command *command)
{
    char path[4096], *words[80] = { "vane-store", "-o", vane->output == OUTPUT_JSON ? "json" : "table" };
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 16);
    char *slash;

    if (!is_choice(command->words, vane->words[0]))
        return complain("the store has no command %s: use %s", vane->words[0], command->words), EXIT_USAGE;
    memcpy(words + 3, vane->words, sizeof(words[0]) * (size_t)vane->nr_words);
    path[length < 0 ? 0 : length] = '\0';
    slash = strrchr(path, '/');
    if (slash) {
        strcpy(slash + 1, "vane-store");
        execv(path, words);
    }
    execvp("vane-store", words);
    return complain("vane-store cannot be run (%s): install it beside vane", strerror(errno));
}

int run_schema(const struct vane *vane, const struct command *command)
{
    char *text = definition_schema();

    (void)vane;
    (void)command;
    if (!text)
        return EXIT_FAILED;
    fputs(text, stdout);
    free(text);
    return EXIT_DONE;
}
