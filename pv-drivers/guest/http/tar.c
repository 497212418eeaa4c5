// SPDX-License-Identifier: MIT
//
// Reading a tar archive; tar.h says what is taken. A block is a header,
//
//   0 name[100]  124 size[12]  148 checksum[8]  156 type  257 "ustar"  345 prefix[155]
//
// or the contents of the file before it. A block of zeroes ends the archive.
#include "guest/http/tar.h"

#include "guest/libc.h"

enum { NAME = 0, NAME_SIZE = 100, SIZE = 124, SIZE_SIZE = 12, SUM = 148, SUM_SIZE = 8, TYPE = 156, MAGIC = 257,
       PREFIX = 345, PREFIX_SIZE = 155 };
#define MAX_TEXT (2 * TAR_BLOCK)

struct reader {
    struct tar *tar;
    uint64_t nr_blocks;
    tar_read_fn *read;
    void *arg;
    uint8_t block[TAR_BLOCK];
    uint64_t at;
    char long_name[TAR_MAX_NAME];  // of the next file, if it has one
    bool has_long_name;
    bool is_untold;                // what is known of the next file is not the whole truth
};

static bool fail(struct reader *r, const char *what)
{
    format(r->tar->why, sizeof(r->tar->why), "block %lu of the disk %s", r->at, what);
    return false;
}

// Octal digits, as far as there are any; or, with the highest bit set, the number itself.
static bool number(const uint8_t *field, size_t size, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    if (field[0] & 0x80) {
        for (*value = field[0] & 0x7f, i = 1; i < size; i++) {
            if (*value >> 48)
                return false;
            *value = *value << 8 | field[i];
        }
        return true;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i == size || field[i] == '\0' || field[i] == ' ';
}

static bool is_header(const uint8_t *block)
{
    uint64_t sum = 0;
    uint64_t wanted;

    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + SUM_SIZE ? ' ' : block[i];
    return number(block + SUM, SUM_SIZE, &wanted) && sum == wanted;
}

static bool is_end(const uint8_t *block)
{
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

static size_t add_field(char *name, size_t at, const uint8_t *field, size_t size)
{
    for (size_t i = 0; i < size && field[i] && at + 1 < TAR_MAX_NAME; i++)
        name[at++] = (char)field[i];
    name[at] = '\0';
    return at;
}

static void header_name(const uint8_t *block, char name[TAR_MAX_NAME])
{
    size_t at = 0;

    name[0] = '\0';
    // GNU's format has "ustar " and other things where the prefix would be.
    if (memcmp(block + MAGIC, "ustar", 6) == 0 && block[PREFIX]) {
        at = add_field(name, at, block + PREFIX, PREFIX_SIZE);
        at = add_field(name, at, (const uint8_t *)"/", 1);
    }
    (void)add_field(name, at, block + NAME, NAME_SIZE);
}

// What comes before a file and is about it, up to two blocks. More is no name that we keep.
static bool read_text(struct reader *r, uint64_t size, uint8_t text[MAX_TEXT])
{
    r->is_untold |= size > MAX_TEXT;
    for (uint64_t at = 0; at < size && size <= MAX_TEXT; at += TAR_BLOCK)
        if (!r->read(r->arg, r->at + 1 + at / TAR_BLOCK, text + at))
            return fail(r, "cannot be read");
    return true;
}

static void set_name(struct reader *r, const uint8_t *name, size_t size)
{
    bool has_end = size && name[size - 1] == '\0';

    r->is_untold |= size - has_end >= TAR_MAX_NAME;
    r->has_long_name = add_field(r->long_name, 0, name, size) > 0;
}

static bool begins(const uint8_t *text, const uint8_t *end, const char *word)
{
    size_t length = strlen(word);

    return (size_t)(end - text) >= length && memcmp(text, word, length) == 0;
}

// Records "17 path=some/name\n", the number being the length of it all.
static void read_records(struct reader *r, const uint8_t *text, size_t size)
{
    const uint8_t *end = text + size;

    while (text < end) {
        size_t length = 0;
        const uint8_t *at = text;
        for (; at < end && *at >= '0' && *at <= '9' && length <= size; at++)
            length = length * 10 + (size_t)(*at - '0');
        if (at == end || *at != ' ' || length > (size_t)(end - text) || length < (size_t)(at - text) + 2) {
            r->is_untold = true;
            return;
        }
        text += length;
        at++;
        // With it, a record that begins with "path=" is longer than that.
        if (text[-1] != '\n') {
            r->is_untold = true;
            return;
        }
        if (begins(at, text, "path="))
            set_name(r, at + 5, (size_t)(text - at) - 6);
        r->is_untold |= begins(at, text, "size=") || begins(at, text, "GNU.sparse.");
    }
}

static void add_file(struct reader *r, uint64_t size)
{
    struct tar *t = r->tar;
    char name[TAR_MAX_NAME];
    const char *from = r->has_long_name ? r->long_name : name;

    header_name(r->block, name);
    while (from[0] == '/' || (from[0] == '.' && from[1] == '/'))
        from++;
    size_t length = strlen(from) + 1;
    if (r->is_untold || length == 1 || t->nr_files == TAR_MAX_FILES || length > TAR_MAX_NAMES - t->names_used) {
        t->nr_left_out++;
        return;
    }
    char *kept = t->names + t->names_used;
    memcpy(kept, from, length);
    t->names_used += length;
    t->files[t->nr_files++] = (struct tar_file){ kept, r->at + 1, size };
}

// One header, and past what belongs to it.
static bool take(struct reader *r)
{
    uint8_t type = r->block[TYPE];
    bool has_data = type < '1' || type > '6';    // links, devices and folders have none
    uint64_t size;

    if (!is_header(r->block) || !number(r->block + SIZE, SIZE_SIZE, &size))
        return fail(r, "is no header of a tar archive");
    size = has_data ? size : 0;
    uint64_t blocks = size / TAR_BLOCK + (size % TAR_BLOCK != 0);
    if (blocks > r->nr_blocks - r->at - 1)
        return fail(r, "begins a file that is longer than the disk");
    if (type == 'L' || type == 'x') {
        uint8_t text[MAX_TEXT];
        if (!read_text(r, size, text))
            return false;
        if (size <= MAX_TEXT && type == 'L')
            set_name(r, text, (size_t)size);
        else if (size <= MAX_TEXT)
            read_records(r, text, (size_t)size);
    } else if (type != 'g' && type != 'K') {
        if (type == '0' || type == '\0' || type == '7')
            add_file(r, size);
        r->has_long_name = false;
        r->is_untold = false;
    }
    r->at += 1 + blocks;
    return true;
}

bool tar_index(struct tar *t, uint64_t nr_blocks, tar_read_fn *read, void *arg)
{
    struct reader r = { .tar = t, .nr_blocks = nr_blocks, .read = read, .arg = arg };

    t->nr_files = t->nr_left_out = 0;
    t->names_used = 0;
    t->why[0] = '\0';
    while (r.at < nr_blocks) {
        if (!read(arg, r.at, r.block))
            return fail(&r, "cannot be read");
        if (is_end(r.block))
            break;
        if (!take(&r))
            return false;
    }
    return true;
}

const struct tar_file *tar_find(const struct tar *t, const char *name)
{
    size_t length = strlen(name) + 1;

    for (unsigned i = t->nr_files; i-- > 0; )
        if (strlen(t->files[i].name) + 1 == length && memcmp(t->files[i].name, name, length) == 0)
            return &t->files[i];
    return NULL;
}
