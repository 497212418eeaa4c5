// SPDX-License-Identifier: MIT
#include "path.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool is_component_char(char c)
{
    // Letters, digits, - _ @: one bit for each of the 128 characters of ASCII. Each request is looked through.
    static const uint64_t allowed[2] = { 0x03ff200000000000, 0x07fffffe87ffffff };

    return c >= 0 && (allowed[c >> 6] >> (c & 63) & 1);
}

// Whether these are components with one slash between them.
static bool are_components(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '/' ? i == 0 || text[i - 1] == '/' : !is_component_char(text[i]))
            return false;
    return length > 0 && text[length - 1] != '/';
}

bool path_is_valid(const char *text, size_t length)
{
    if (length == 0 || text[0] != '/' || length > XENSTORE_ABS_PATH_MAX)
        return false;
    return length == 1 || are_components(text + 1, length - 1);
}

bool path_is_special(const char *text)
{
    size_t length = strlen(text);

    return text[0] == '@' && length <= XENSTORE_REL_PATH_MAX && are_components(text + 1, length - 1);
}

int path_resolve(struct path *path, char *room, unsigned domid, const char *text)
{
    size_t length = strlen(text), base;

    *path = (struct path){ text, length, 0 };
    if (length == 0 || text[0] == '@' || (text[0] != '/' && length > XENSTORE_REL_PATH_MAX))
        return -EINVAL;
    if (text[0] != '/') {
        base = (size_t)sprintf(room, "/local/domain/%u/", domid);
        memcpy(room + base, text, length + 1);
        *path = (struct path){ room, base + length, base };
    }
    return path_is_valid(path->text, path->length) ? 0 : -EINVAL;
}

bool path_next(const char **at, struct component *c)
{
    const char *start = *at + (**at == '/');

    if (*start == '\0')
        return false;
    c->name = start;
    c->length = 0;
    while (start[c->length] && start[c->length] != '/')
        c->length++;
    *at = start + c->length;
    return true;
}

size_t path_depth(const char *text)
{
    size_t depth = 0;
    struct component c;

    while (path_next(&text, &c))
        depth++;
    return depth;
}
