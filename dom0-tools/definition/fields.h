// SPDX-License-Identifier: MIT
// How the table of fields is made, for the readers and writers of this folder.
#pragma once

#include "definition.h"

enum { PATH_SIZE = 96 };          // of what the table calls a path

enum field_type {
    FIELD_TEXT,
    FIELD_NUMBER,
    FIELD_SIZE,             // KiB; XML has a unit, xl.cfg means MiB
    FIELD_CHOICE,           // the index of one of `choices`
    FIELD_FLAG,             // in XML the presence of an element, or yes and no in an attribute
    FIELD_LIST,             // of objects of the type `items`
    FIELD_FIXED,            // must be one of `choices`, is written as the first, and is not kept
    FIELD_IGNORED,          // what libvirt adds of a running guest
};

// What a text must look like. The expression is one that POSIX and JSON Schema read alike.
struct rule {
    const char *pattern, *cure;
    bool (*check)(const char *text);
};

struct field {
    const char *json, *xml, *xl;        // where it stands; NULL: it has no place there
    enum field_type type;
    bool needed, lower;                 // must be said; is kept in lower case
    size_t at;                          // its offset in the object: char *, uint64_t or struct list
    uint64_t min, max, fallback;        // of a number; of a text's length and a list's count the maximum
    const char *const *choices;
    const struct rule *rule;
    const struct type *items;
    const char *help;
};

struct type {
    const char *name;
    size_t size;
    const struct field *fields;
    size_t nr_fields;                   // at most 64
};

extern const struct type definition_type;

// The namespace of what only we have, in a path "p:", in XML below <metadata>.
#define PARAVANE_NAMESPACE "urn:paravane:guest"

// Where a reader is, for its refusals.
struct where {
    struct vane_error *error;
    int line;                           // 0: unknown
    char path[160];
};

// Both describe the error and return it. `limit` says what is allowed, and `cure` what to do.
int refuse(const struct where *where, const char *value, const char *limit, const char *cure);
int refuse_form(const struct where *where, const char *format, ...) __attribute__((format(printf, 2, 3)));
int no_memory(struct vane_error *error);

// The text, to be freed, of what is given away; NULL without memory.
struct json_t;
char *json_lines(struct json_t *json);

const struct field *field_by_json(const struct type *type, const char *name);
const struct field *field_by_xml(const struct type *type, const char *path);
const struct field *field_by_xl(const struct type *type, const char *key);
// Whether fields lie below this element.
bool type_has_below(const struct type *type, const char *path);

static inline char **field_text(const struct field *f, const void *object)
{
    return (char **)((uintptr_t)object + f->at);
}

static inline uint64_t *field_number(const struct field *f, const void *object)
{
    return (uint64_t *)((uintptr_t)object + f->at);
}

static inline struct list *field_list(const struct field *f, const void *object)
{
    return (struct list *)((uintptr_t)object + f->at);
}

bool field_is_given(const struct type *type, const struct field *f, const void *object);

void object_init(const struct type *type, void *object);
void object_fini(const struct type *type, void *object);
// All that is needed is there.
int object_check(const struct type *type, const void *object, const struct where *where);
// Checks and keeps what text says; once. A size without a unit has `unit`.
int field_set(const struct type *type, const struct field *f, void *object, const char *text,
              const char *unit, const struct where *where);
// A field as text, in `room` or where it lies.
enum { FIELD_ROOM = 24 };
const char *field_print(const struct field *f, const void *object, char room[FIELD_ROOM]);
// A new object at the end of a list; NULL with the error described when it is full.
void *list_add(const struct field *f, void *object, const struct where *where);
static inline void *list_item(const struct field *f, const struct list *list, size_t i)
{
    return (char *)list->items + i * f->items->size;
}
// Takes the three strings, whatever it returns.
int extra_add(void *object, char *in, char *name, char *value, const struct where *where);

// UTF-8 without control characters but line feeds and tabs: what every form can carry.
bool text_is_plain(const char *text);
// An element out of the JSON form, as the XML writer can use it; NULL if it is not exactly one element.
bool xml_is_name(const char *text);
char *xml_normalise(const char *text, char name[PATH_SIZE + 8]);

// Fills in what follows from other fields, and checks the whole.
int definition_finish(struct definition *d, struct vane_error *error);
// The size limit, and texts with a zero byte inside.
int definition_check_size(const char *text, size_t length, struct vane_error *error);
