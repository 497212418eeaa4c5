// SPDX-License-Identifier: MIT
// Values of fields: what text may say, and objects made of them.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

static const struct { const char *name; uint64_t bytes; } units[] = {
    { "b", 1 },             { "bytes", 1 },         { "KB", 1000 },         { "k", 1024 },
    { "KiB", 1024 },        { "MB", 1000000 },      { "M", 1ull << 20 },    { "MiB", 1ull << 20 },
    { "GB", 1000000000 },   { "G", 1ull << 30 },    { "GiB", 1ull << 30 },  { "T", 1ull << 40 },
    { "TiB", 1ull << 40 },
};

static int refuse_text(const struct where *where, const char *text)
{
    char line[24] = "";

    if (where->line > 0)
        snprintf(line, sizeof(line), "line %d: ", where->line);
    return vane_fail(where->error, VANE_INVALID, "%s%s%s%s", line, where->path, where->path[0] ? " " : "", text);
}

int refuse_form(const struct where *where, const char *format, ...)
{
    char text[VANE_ERROR_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return refuse_text(where, text);
}

int refuse(const struct where *where, const char *value, const char *limit, const char *cure)
{
    return refuse_form(where, "is \"%.60s%s\", %s: %s", value, strlen(value) > 60 ? "..." : "", limit, cure);
}

int no_memory(struct vane_error *error)
{
    return vane_fail(error, VANE_NO_RESOURCE, "there is no memory for this definition: try again when the host has some");
}

// The decoder that all of UTF-8's rules fit in: shortest form, no surrogates, at most U+10FFFF.
static int utf8_size(const unsigned char *s)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    int size = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    uint32_t c = size == 1 ? s[0] : s[0] & (0x7fu >> size);

    for (int i = 1; i < size; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (size && (c < smallest[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe))
        return 0;
    return size;
}

bool text_is_plain(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    int size;

    for (; *s; s += size) {
        size = utf8_size(s);
        if (size == 0 || *s == 0x7f || (*s < ' ' && *s != '\n' && *s != '\t'))
            return false;
    }
    return true;
}

// XML lets blanks stand around, so they can be no part of what is in there.
static bool has_blank_end(const char *text)
{
    size_t length = strlen(text);

    return length && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[length - 1]));
}

static bool matches(const struct rule *rule, const char *text)
{
    regex_t expression;
    int r = regcomp(&expression, rule->pattern, REG_EXTENDED | REG_NOSUB);

    if (r == 0) {
        r = regexec(&expression, text, 0, NULL, 0);
        regfree(&expression);
    }
    return r == 0 && !has_blank_end(text) && !strchr(text, '\n') && (!rule->check || rule->check(text));
}

static int set_text(const struct field *f, void *object, const char *text, const struct where *where)
{
    char *copy, limit[64];

    if (!text_is_plain(text))
        return refuse(where, text, "which is not plain text in UTF-8", "leave out control characters");
    if (strlen(text) > f->max) {
        snprintf(limit, sizeof(limit), "of more than %" PRIu64 " bytes", f->max);
        return refuse(where, text, limit, "make it shorter");
    }
    copy = strdup(text);
    if (!copy)
        return no_memory(where->error);
    for (char *c = copy; f->lower && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (f->rule && !matches(f->rule, copy)) {
        free(copy);
        return refuse(where, text, "which is not what can stand here", f->rule->cure);
    }
    *field_text(f, object) = copy;
    return 0;
}

static int set_number(const struct field *f, void *object, uint64_t value, const char *text, const struct where *where)
{
    const char *unit = f->type == FIELD_SIZE ? " KiB" : "";
    char limit[80];

    if (value < f->min || value > f->max) {
        snprintf(limit, sizeof(limit), "outside %" PRIu64 " to %" PRIu64 "%s", f->min, f->max, unit);
        return refuse(where, text, limit, value < f->min ? "raise it" : "lower it");
    }
    *field_number(f, object) = value;
    return 0;
}

static bool parse_digits(const char *text, uint64_t *value, char **end)
{
    errno = 0;
    *value = strtoull(text, end, 10);
    return isdigit((unsigned char)text[0]) && errno == 0;
}

static int parse_number(const struct field *f, void *object, const char *text, const struct where *where)
{
    uint64_t value;
    char *end;

    if (!parse_digits(text, &value, &end) || *end)
        return refuse(where, text, "which is not a whole number", "write digits only");
    return set_number(f, object, value, text, where);
}

static int parse_size(const struct field *f, void *object, const char *text, const char *unit, const struct where *where)
{
    uint64_t value, bytes;
    char *end, said[80];
    size_t i;

    if (!parse_digits(text, &value, &end))
        return refuse(where, text, "which is not a size", "write digits and a unit, as 512MiB");
    while (*end == ' ')
        end++;
    unit = *end ? end : unit;
    for (i = 0; i < sizeof(units) / sizeof(units[0]) && strcmp(units[i].name, unit) != 0; i++)
        ;
    if (i == sizeof(units) / sizeof(units[0]))
        return refuse(where, unit, "which is not a unit", "use bytes, KiB, MiB, GiB or TiB");
    snprintf(said, sizeof(said), "%.40s%s%s", text, *end ? "" : " ", *end ? "" : unit);
    if (__builtin_mul_overflow(value, units[i].bytes, &bytes))
        bytes = UINT64_MAX;
    return set_number(f, object, bytes / 1024, said, where);
}

// "a, b or c"
static void list_choices(const char *const *choices, char *text, size_t size)
{
    size_t used = 0;

    for (; *choices && used < size; choices++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", *choices,
                                 !choices[1] ? "" : !choices[2] ? " or " : ", ");
}

static int parse_choice(const struct field *f, void *object, const char *text, const struct where *where)
{
    char all[160];

    for (size_t i = 0; f->choices[i]; i++) {
        if (strcmp(f->choices[i], text) != 0)
            continue;
        if (f->type == FIELD_CHOICE)
            *field_number(f, object) = i;
        return 0;
    }
    list_choices(f->choices, all, sizeof(all));
    return refuse(where, text, f->type == FIELD_FIXED ? "which is not for PV guests" : "which is no choice here", all);
}

static int parse_flag(const struct field *f, void *object, const char *text, const struct where *where)
{
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], text) == 0) {
            *field_number(f, object) = i % 2;
            return 0;
        }
    }
    return refuse(where, text, "which is neither yes nor no", "write one of them");
}

int field_set(const struct type *type, const struct field *f, void *object, const char *text,
              const char *unit, const struct where *where)
{
    uint64_t bit = 1ull << (f - type->fields), *given = &((struct object *)object)->given;
    int rc = 0;

    if (f->type == FIELD_IGNORED)
        return 0;
    if (*given & bit)
        return refuse(where, text, "and was said before", "say it once");
    switch (f->type) {
    case FIELD_TEXT: rc = set_text(f, object, text, where); break;
    case FIELD_NUMBER: rc = parse_number(f, object, text, where); break;
    case FIELD_SIZE: rc = parse_size(f, object, text, unit, where); break;
    case FIELD_FLAG: rc = parse_flag(f, object, text, where); break;
    case FIELD_CHOICE:
    case FIELD_FIXED: rc = parse_choice(f, object, text, where); break;
    default: return refuse_form(where, "is a list of several parts: say them one by one");
    }
    if (rc == 0)
        *given |= bit;
    return rc;
}

bool field_is_given(const struct type *type, const struct field *f, const void *object)
{
    if (f->type == FIELD_LIST)
        return field_list(f, object)->count > 0;
    return f->type != FIELD_FIXED && (((const struct object *)object)->given >> (f - type->fields) & 1);
}

const char *field_print(const struct field *f, const void *object, char room[FIELD_ROOM])
{
    switch (f->type) {
    case FIELD_TEXT: return *field_text(f, object) ? *field_text(f, object) : "";
    case FIELD_CHOICE: return f->choices[*field_number(f, object)];
    case FIELD_FIXED: return f->choices[0];
    case FIELD_FLAG: return *field_number(f, object) ? "yes" : "no";
    default:
        snprintf(room, FIELD_ROOM, "%" PRIu64, *field_number(f, object));
        return room;
    }
}

static bool field_is_number(const struct field *f)
{
    return f->type == FIELD_NUMBER || f->type == FIELD_SIZE || f->type == FIELD_CHOICE || f->type == FIELD_FLAG;
}

void object_init(const struct type *type, void *object)
{
    memset(object, 0, type->size);
    for (size_t i = 0; i < type->nr_fields; i++)
        if (field_is_number(&type->fields[i]))
            *field_number(&type->fields[i], object) = type->fields[i].fallback;
}

void object_fini(const struct type *type, void *object)
{
    struct list *extras = &((struct object *)object)->extras;
    struct extra *extra = extras->items;

    for (size_t i = 0; i < type->nr_fields; i++) {
        const struct field *f = &type->fields[i];

        if (f->type == FIELD_TEXT)
            free(*field_text(f, object));
        if (f->type != FIELD_LIST)
            continue;
        for (size_t k = 0; k < field_list(f, object)->count; k++)
            object_fini(f->items, list_item(f, field_list(f, object), k));
        free(field_list(f, object)->items);
    }
    for (size_t i = 0; i < extras->count; i++) {
        free(extra[i].in);
        free(extra[i].name);
        free(extra[i].value);
    }
    free(extras->items);
    memset(object, 0, type->size);
}

// What is put into an element makes it be there, which must not say anything that its field does not.
static int check_extra(const struct type *type, const void *object, const char *in, const struct where *where)
{
    const struct field *of = field_by_xml(type, in);

    if (!of || of->type == FIELD_FIXED || of->type == FIELD_IGNORED)
        return 0;
    if (field_is_given(type, of, object) && (of->type != FIELD_FLAG || *field_number(of, object)))
        return 0;
    return refuse_form(where, "has something extra for %.80s, which is not there itself: leave that out, or give %.80s a value", in, in);
}

int object_check(const struct type *type, const void *object, const struct where *where)
{
    const struct list *extras = &((const struct object *)object)->extras;
    const struct extra *extra = extras->items;

    for (size_t i = 0; i < extras->count; i++)
        if (check_extra(type, object, extra[i].in, where))
            return -(int)where->error->kind;
    for (size_t i = 0; i < type->nr_fields; i++)
        if (type->fields[i].needed && !field_is_given(type, &type->fields[i], object))
            return refuse_form(where, "has no %s, which it needs: add %s", type->fields[i].json, type->fields[i].help);
    return 0;
}

static void *grow(struct list *list, size_t size)
{
    void *items = realloc(list->items, (list->count + 1) * size);

    if (!items)
        return NULL;
    list->items = items;
    return memset((char *)items + size * list->count++, 0, size);
}

void *list_add(const struct field *f, void *object, const struct where *where)
{
    struct list *list = field_list(f, object);
    void *item;

    if (list->count >= f->max) {
        (void)refuse_form(where, "is one of more than %" PRIu64 " %s: leave some out", f->max, f->json);
        return NULL;
    }
    item = grow(list, f->items->size);
    if (item)
        object_init(f->items, item);
    else
        (void)no_memory(where->error);
    return item;
}

int extra_add(void *object, char *in, char *name, char *value, const struct where *where)
{
    struct extra *extra = in && value ? grow(&((struct object *)object)->extras, sizeof(*extra)) : NULL;

    if (!extra) {
        free(in);
        free(name);
        free(value);
        return no_memory(where->error);
    }
    *extra = (struct extra){ in, name, value };
    return 0;
}

static bool cpus_range(const char **at, uint64_t *from, uint64_t *to)
{
    char *end;

    if (!parse_digits(*at, from, &end))
        return false;
    *to = *from;
    if (*end == '-' && !parse_digits(end + 1, to, &end))
        return false;
    *at = end;
    return *from <= *to;
}

bool cpus_parse(const char *text, uint8_t *bits, size_t nr_cpus)
{
    bool any = false;

    memset(bits, 0, (nr_cpus + 7) / 8);
    for (;; text++) {
        uint64_t from, to;
        bool clear = *text == '^';

        text += clear;
        if (!cpus_range(&text, &from, &to) || to >= nr_cpus)
            return false;
        for (uint64_t cpu = from; cpu <= to; cpu++)
            bits[cpu / 8] = (uint8_t)(clear ? bits[cpu / 8] & ~(1u << cpu % 8) : bits[cpu / 8] | 1u << cpu % 8);
        if (*text != ',')
            break;
    }
    for (size_t i = 0; i < (nr_cpus + 7) / 8; i++)
        any = any || bits[i];
    return any && *text == '\0';
}

void uuid_bytes(const char *text, uint8_t bytes[16])
{
    for (size_t i = 0; i < 16; i++, text += 2) {
        char digits[3] = { 0 };

        text += *text == '-';
        memcpy(digits, text, 2);
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}
