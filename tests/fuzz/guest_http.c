// SPDX-License-Identifier: MIT
// The HTTP guest's readers. The first byte chooses: an archive on a disk of whole blocks, or what a client sends, taken in
// pieces as it would come.
#include <stdlib.h>
#include <string.h>

#include "guest/http/request.h"
#include "guest/http/tar.h"
#include "mini.h"

static struct tar tar;

struct disk {
    const uint8_t *data;
    uint64_t nr_blocks;
};

static bool read_block(void *arg, uint64_t block, void *data)
{
    const struct disk *d = arg;

    if (block >= d->nr_blocks)
        abort();
    memcpy(data, d->data + block * TAR_BLOCK, TAR_BLOCK);
    // Most changes would only make its checksum wrong.
    unsigned sum = 0;
    uint8_t *header = data;
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += header[i];
    for (unsigned i = 6; i-- > 0; sum >>= 3)
        header[148 + i] = (uint8_t)('0' + (sum & 7));
    return true;
}

static void try_archive(const uint8_t *data, size_t size)
{
    struct disk d = { data, size / TAR_BLOCK };

    if (!tar_index(&tar, d.nr_blocks, read_block, &d) && !tar.why[0])
        abort();
    for (unsigned i = 0; i < tar.nr_files; i++) {
        const struct tar_file *f = &tar.files[i];
        uint64_t blocks = f->size / TAR_BLOCK + (f->size % TAR_BLOCK != 0);
        if (f->block > d.nr_blocks || blocks > d.nr_blocks - f->block)
            abort();
        if (!tar_find(&tar, f->name) || strlen(f->name) >= TAR_MAX_NAME)
            abort();
    }
}

static void try_requests(const uint8_t *data, size_t size)
{
    struct http_request r;
    struct http_request again;
    char head[HTTP_MAX_HEAD];

    for (size_t end = 0; end <= size; end++) {
        if (!http_parse((const char *)data, end, &r)) {
            if (end >= HTTP_MAX_REQUEST)
                abort();
            continue;
        }
        if (r.size > end || (!r.size && r.status == 200) || !memchr(r.path, 0, sizeof(r.path)))
            abort();
        if (r.status != 200 && r.keeps_alive)
            abort();
        // What comes behind it changes nothing.
        if (!http_parse((const char *)data, size, &again) || again.status != r.status || again.size != r.size)
            abort();
        if (http_head(head, r.status, http_type(r.path), r.size, r.keeps_alive) >= sizeof(head))
            abort();
        if (!r.keeps_alive)
            return;
        data += r.size;
        size -= r.size;
        end = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 1)
        try_requests(data + 1, size - 1);
    else
        try_archive(data, size);
    return 0;
}
