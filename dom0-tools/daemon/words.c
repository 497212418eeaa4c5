// SPDX-License-Identifier: MIT
// The arguments of a program, which outlive whoever started it.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"

void words_say(struct words *w, const char *format, ...)
{
    va_list args;

    w->failed = w->failed || w->count == BACKEND_WORDS;
    if (w->failed)
        return;
    va_start(args, format);
    if (vasprintf(&w->word[w->count], format, args) < 0)
        w->word[w->count] = NULL;
    va_end(args);
    w->failed = !w->word[w->count];
    w->count += !w->failed;
}

void words_forget(struct words *w)
{
    while (w->count)
        free(w->word[--w->count]);
}

int words_keep(const struct words *w, const char *path, struct vane_error *error)
{
    char draft[BACKEND_PATH + 4];
    bool failed;
    FILE *f;

    if (w->failed)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for a back end's arguments");
    snprintf(draft, sizeof(draft), "%s.new", path);
    f = fopen(draft, "we");
    for (unsigned i = 0; f && i < w->count; i++)
        fwrite(w->word[i], 1, strlen(w->word[i]) + 1, f);
    failed = !f || ferror(f);
    failed = (f && fclose(f)) || failed;
    return failed || rename(draft, path) ? vane_fail_errno(error, errno, "the file %s cannot be written", path) : 0;
}

void words_recall(struct words *w, const char *path)
{
    char word[BACKEND_WORD];
    FILE *f = fopen(path, "re");
    size_t used = 0;
    int c;

    while (f && (c = getc(f)) != EOF && used < sizeof(word)) {
        word[used++] = (char)c;
        if (c == '\0') {
            words_say(w, "%s", word);
            used = 0;
        }
    }
    w->failed = w->failed || used;
    if (f)
        fclose(f);
}

void words_option(const struct words *w, const char *option, char word[BACKEND_WORD])
{
    word[0] = '\0';
    for (unsigned i = 1; i + 1 < w->count; i++)
        if (strcmp(w->word[i], option) == 0)
            snprintf(word, BACKEND_WORD, "%s", w->word[i + 1]);
}
