// SPDX-License-Identifier: MIT
// xl.cfg files: NAME = VALUE, where a value is a number, a string, or a list of them. Disks and network
// cards are strings of their own language, whose keys are in the table.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

enum { MAX_ITEMS = 256, MAX_WORD = 4096, MAX_IGNORED = 4096 };

// A value: its items lie in `text`, one behind the other, each closed by a zero byte.
struct value {
    bool is_list;
    size_t count, used;
    const char *items[MAX_ITEMS];
    char text[65536];
};

struct reader {
    const char *at, *end;
    int line;
    struct definition *d;
    struct where *where;
    struct value value;
    char key[64];
    char *root, *extra;             // what xl makes a command line of
    char *ignored;                  // of MAX_IGNORED bytes
};

// What has no effect on a PV guest here, or a default that is ours anyhow.
static const char *const harmless[] = { "vfb", "vnc", "sdl", "keymap", "device_model_version", "xen_platform_pci", NULL };

static int complain(struct reader *r, const char *what)
{
    r->where->line = r->line;
    snprintf(r->where->path, sizeof(r->where->path), "%s", r->key);
    return refuse_form(r->where, "%s", what);
}

static int peek(const struct reader *r)
{
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

// Blanks and comments; line ends too where a list goes over them.
static void skip(struct reader *r, bool over_lines)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#') {
            while (r->at + 1 < r->end && r->at[1] != '\n')
                r->at++;
        } else if (*r->at == '\n' && over_lines) {
            r->line++;
        } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
            return;
        }
    }
}

static int put(struct reader *r, char c)
{
    struct value *v = &r->value;

    if (v->used >= sizeof(v->text))
        return complain(r, "is longer than 65536 bytes: make it shorter");
    v->text[v->used++] = c;
    return 0;
}

static int read_string(struct reader *r)
{
    static const char codes[] = "n\nt\t\\\\'\'\"\"";
    char quote = *r->at++;

    while (r->at < r->end && *r->at != quote) {
        char c = *r->at++;

        if (c == '\n')
            return complain(r, "has a string that is not closed on its line: add the quote");
        if (c == '\\') {
            const char *code = r->at < r->end ? strchr(codes, *r->at) : NULL;

            if (!code || !*code || (code - codes) % 2)
                return complain(r, "has a \\ before a character that it does not go with: double the \\");
            c = code[1];
            r->at++;
        }
        if (put(r, c))
            return -VANE_INVALID;
    }
    if (r->at >= r->end)
        return complain(r, "has a string that is not closed: add the quote");
    r->at++;
    return put(r, '\0');
}

static int read_item(struct reader *r)
{
    struct value *v = &r->value;

    if (v->count >= MAX_ITEMS)
        return complain(r, "has more than 256 items: leave some out");
    v->items[v->count++] = v->text + v->used;
    if (peek(r) == '"' || peek(r) == '\'')
        return read_string(r);
    if (!isdigit(peek(r)))
        return complain(r, "has a value that is no number, no string in quotes and no list in [ ]: write one of these");
    while (isalnum(peek(r)))
        if (put(r, *r->at++))
            return -VANE_INVALID;
    return put(r, '\0');
}

static int read_list(struct reader *r)
{
    int rc;

    r->value.is_list = true;
    r->at++;
    for (skip(r, true); peek(r) != ']'; skip(r, true)) {
        rc = read_item(r);
        if (rc)
            return rc;
        skip(r, true);
        if (peek(r) == ',')
            r->at++;
        else if (peek(r) != ']')
            return complain(r, "has a list whose items are not parted by commas, or that is not closed: add , or ]");
    }
    r->at++;
    return 0;
}

static int read_value(struct reader *r)
{
    r->value.is_list = false;
    r->value.count = r->value.used = 0;
    skip(r, false);
    return peek(r) == '[' ? read_list(r) : read_item(r);
}

// Setting.

static int set(struct reader *r, const struct type *type, const struct field *f, void *object, const char *text)
{
    r->where->line = r->line;
    snprintf(r->where->path, sizeof(r->where->path), "%s", r->key);
    return field_set(type, f, object, text, "MiB", r->where);
}

static int set_json(struct reader *r, const struct type *type, void *object, const char *name, const char *text)
{
    return set(r, type, field_by_json(type, name), object, text);
}

static char *trim(char *text)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]); end--)
        end[-1] = '\0';
    return text;
}

static void ignore(struct reader *r, const char *what)
{
    size_t used = strlen(r->ignored);

    if (text_is_plain(what))
        snprintf(r->ignored + used, MAX_IGNORED - used, "line %d: %.64s has no effect here\n", r->line, what);
}

static int set_source(struct reader *r, void *disk, const char *path)
{
    bool is_block = strncmp(path, "/dev/", 5) == 0;
    int rc = set_json(r, field_by_json(&definition_type, "disks")->items, disk, is_block ? "block" : "file", path);

    if (rc == 0 && is_block)
        rc = set_json(r, field_by_json(&definition_type, "disks")->items, disk, "type", "block");
    return rc;
}

static int set_access(struct reader *r, void *disk, const char *text)
{
    const struct type *type = field_by_json(&definition_type, "disks")->items;

    if (strcmp(text, "w!") == 0)
        return set_json(r, type, disk, "shareable", "yes");
    if (strcmp(text, "r") == 0 || strcmp(text, "ro") == 0)
        return set_json(r, type, disk, "readonly", "yes");
    if (strcmp(text, "w") != 0 && strcmp(text, "rw") != 0)
        return complain(r, "has a disk whose access is neither ro nor rw: write one of them");
    return 0;
}

// The words without a key, in their order; an old form has what it is in front of the first.
static int set_positional(struct reader *r, void *disk, char *word, unsigned place)
{
    static const char *const prefixes[] = { "phy:", "file:", "raw:", "tap:aio:", "tap2:aio:", "aio:" };
    static const char *const fields[] = { NULL, "format", "target", NULL };
    const struct type *type = field_by_json(&definition_type, "disks")->items;

    for (size_t i = 0; place == 0 && i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(word, prefixes[i], strlen(prefixes[i])) == 0)
            word += strlen(prefixes[i]);
    if (!*word)
        return 0;
    if (place == 0)
        return set_source(r, disk, word);
    if (place == 3)
        return set_access(r, disk, word);
    return place < 3 ? set_json(r, type, disk, fields[place], word)
                     : complain(r, "has a disk of more than four words: name the others by key=value");
}

// As 10Mb/s or 1MB/s@20ms, bits or bytes in powers of 1000; how soon it is looked at is ours to say.
static int set_rate(struct reader *r, const struct type *type, void *nic, const char *value)
{
    static const struct { const char *name; uint64_t bits; } units[] = {
        { "b/s", 1 }, { "Kb/s", 1000 }, { "Mb/s", 1000000 }, { "Gb/s", 1000000000 },
        { "B/s", 8 }, { "KB/s", 8000 }, { "MB/s", 8000000 }, { "GB/s", 8000000000 },
    };
    size_t digits = strspn(value, "0123456789"), length = strcspn(value + digits, "@");
    char text[24];

    for (size_t i = 0; digits > 0 && digits < 9 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) != length || strncmp(units[i].name, value + digits, length) != 0)
            continue;
        snprintf(text, sizeof(text), "%llu", (strtoull(value, NULL, 10) * units[i].bits + 8191) / 8192);
        return set_json(r, type, nic, "kib_limit", text);
    }
    return complain(r, "has a NIC whose rate is no rate: write it as 10Mb/s or 1MB/s");
}

static int set_pair(struct reader *r, const struct type *type, void *object, const char *key, const char *value)
{
    const struct field *f = field_by_xl(type, key);
    bool is_disk = strcmp(type->name, "disk") == 0;

    if (is_disk && strcmp(key, "target") == 0)
        return set_source(r, object, value);
    if (is_disk && strcmp(key, "access") == 0)
        return set_access(r, object, value);
    if (f && strcmp(key, "rate") == 0)
        return set_rate(r, type, object, value);
    if (f)
        return set(r, type, f, object, value);
    ignore(r, key);
    return 0;
}

static int set_word(struct reader *r, const struct type *type, void *object, char *word, unsigned *place)
{
    char *equals = strchr(word, '=');
    bool is_disk = strcmp(type->name, "disk") == 0;

    if (equals && *trim(word) != '/') {
        *equals = '\0';
        return set_pair(r, type, object, trim(word), trim(equals + 1));
    }
    word = trim(word);
    if (is_disk && strcmp(word, "cdrom") == 0)
        return set_json(r, type, object, "device", "cdrom");
    if (is_disk)
        return set_positional(r, object, word, (*place)++);
    return *word ? complain(r, "has a word without a key: write key=value") : 0;
}

// The old form of a disk, TARGET,VDEV,ACCESS, has no format; it is told by what stands in front of its target.
static int set_item(struct reader *r, const struct field *f, const char *spec)
{
    char text[MAX_WORD], *rest = text, *word;
    bool is_old = strncmp(spec, "phy:", 4) == 0 || strncmp(spec, "file:", 5) == 0;
    unsigned place = 0;
    void *item;
    int rc = 0;

    r->where->line = r->line;
    snprintf(r->where->path, sizeof(r->where->path), "%s", r->key);
    if (snprintf(text, sizeof(text), "%s", spec) >= (int)sizeof(text))
        return complain(r, "has an item of more than 4095 bytes: make it shorter");
    item = list_add(f, r->d, r->where);
    if (!item)
        return -(int)r->where->error->kind;
    while (rc == 0 && (word = strsep(&rest, ","))) {
        place += is_old && place == 1;
        rc = set_word(r, f->items, item, word, &place);
    }
    return rc ? rc : object_check(f->items, item, r->where);
}

// cpus = ["0", "2-3"]: one for each vCPU.
static int set_pins(struct reader *r)
{
    const struct field *f = field_by_json(&definition_type, "pins");
    char vcpu[24];
    int rc = 0;

    for (size_t i = 0; i < r->value.count && rc == 0; i++) {
        void *pin = list_add(f, r->d, r->where);

        if (!pin)
            return -(int)r->where->error->kind;
        snprintf(vcpu, sizeof(vcpu), "%zu", i);
        rc = set_json(r, f->items, pin, "vcpu", vcpu);
        if (rc == 0)
            rc = set_json(r, f->items, pin, "cpus", r->value.items[i]);
    }
    return rc;
}

static int keep(struct reader *r, char **to)
{
    free(*to);
    *to = strdup(r->value.items[0]);
    return *to ? 0 : no_memory(r->where->error);
}

static int use_value(struct reader *r)
{
    const struct field *f = field_by_xl(&definition_type, r->key);
    const struct value *v = &r->value;
    int rc = 0;

    for (size_t i = 0; harmless[i]; i++)
        if (strcmp(harmless[i], r->key) == 0)
            return 0;
    if (v->is_list && strcmp(r->key, "cpus") == 0)
        return set_pins(r);
    if (f && f->type == FIELD_LIST) {
        for (size_t i = 0; i < v->count && rc == 0; i++)
            rc = set_item(r, f, v->items[i]);
        return rc;
    }
    if (v->is_list && f)
        return complain(r, "is a list, but one value can stand here: leave out [ ]");
    if (f)
        return set(r, &definition_type, f, r->d, v->items[0]);
    if (strcmp(r->key, "root") == 0 && !v->is_list)
        return keep(r, &r->root);
    if (strcmp(r->key, "extra") == 0 && !v->is_list)
        return keep(r, &r->extra);
    ignore(r, r->key);
    return 0;
}

static int read_statement(struct reader *r)
{
    size_t length = 0;
    int rc;

    r->key[0] = '\0';
    while (isalnum(peek(r)) || peek(r) == '_') {
        if (length + 1 == sizeof(r->key))
            return complain(r, "a name has more than 63 letters: make it shorter");
        r->key[length++] = *r->at++;
    }
    r->key[length] = '\0';
    if (length == 0)
        return complain(r, "there is no name: write NAME = VALUE");
    skip(r, false);
    if (peek(r) == '+' && r->end - r->at > 1 && r->at[1] == '=')
        r->at++;
    if (peek(r) != '=')
        return complain(r, "has no = behind it: write NAME = VALUE");
    r->at++;
    rc = read_value(r);
    if (rc == 0)
        rc = use_value(r);
    if (rc)
        return rc;
    skip(r, false);
    if (peek(r) != ';' && peek(r) != '\n' && peek(r) != -1)
        return complain(r, "has something behind its value: put it on a line of its own");
    return 0;
}

static int make_cmdline(struct reader *r)
{
    const struct field *f = field_by_json(&definition_type, "cmdline");
    char text[2048];

    if (field_is_given(&definition_type, f, r->d) || (!r->root && !r->extra))
        return 0;
    snprintf(r->key, sizeof(r->key), "extra");
    if (snprintf(text, sizeof(text), "%s%s%s%s", r->root ? "root=" : "", r->root ? r->root : "",
                 r->root && r->extra ? " " : "", r->extra ? r->extra : "") >= (int)sizeof(text))
        return complain(r, "and root are longer than 1023 bytes: make them shorter");
    return set(r, &definition_type, f, r->d, text);
}

static int read_all(struct reader *r)
{
    int rc = 0;

    for (skip(r, true); r->at < r->end && rc == 0; skip(r, true)) {
        if (*r->at == ';')
            r->at++;
        else
            rc = read_statement(r);
    }
    if (rc == 0)
        rc = make_cmdline(r);
    return rc ? rc : definition_finish(r->d, r->where->error);
}

int definition_read_xl(struct definition *d, const char *text, size_t length, char **ignored, struct vane_error *error)
{
    struct where where = { .error = error };
    struct reader *r = calloc(1, sizeof(*r));
    int rc = definition_check_size(text, length, error);

    *ignored = NULL;
    object_init(&definition_type, d);
    if (r)
        r->ignored = calloc(1, MAX_IGNORED);
    if (!r || !r->ignored)
        rc = no_memory(error);
    if (rc == 0) {
        r->at = text;
        r->end = text + length;
        r->line = 1;
        r->d = d;
        r->where = &where;
        rc = read_all(r);
        if (rc == 0 && r->ignored[0])
            *ignored = strdup(r->ignored);
    }
    if (r) {
        free(r->ignored);
        free(r->root);
        free(r->extra);
    }
    free(r);
    return rc;
}
