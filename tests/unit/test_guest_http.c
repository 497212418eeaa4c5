// SPDX-License-Identifier: MIT
// What the HTTP guest reads of others: requests, and the archive on its disk, as tar itself makes it and as nobody should.
#include "guest/http/request.h"
#include "guest/http/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/mini.h"
#include "guest/libc.h"
#include "unit_main.h"

// --- archives

static struct tar tar;

struct disk {
    const uint8_t *data;
    uint64_t nr_blocks;
    uint64_t bad_block;
};

static bool read_block(void *arg, uint64_t block, void *data)
{
    const struct disk *d = arg;

    if (block >= d->nr_blocks) {
        CU_FAIL_FATAL("a block behind the disk's end was asked for");
    }
    memcpy(data, d->data + block * TAR_BLOCK, TAR_BLOCK);
    return block != d->bad_block;
}

static bool read_archive(const uint8_t *data, size_t size)
{
    struct disk d = { data, size / TAR_BLOCK, UINT64_MAX };

    return tar_index(&tar, d.nr_blocks, read_block, &d);
}

// What a shell command writes, in whole blocks; free() it.
static uint8_t *output_of(const char *command, size_t *size)
{
    uint8_t *data = malloc(1 << 20);
    FILE *f = popen(command, "r");

    CU_ASSERT_FATAL(data && f);
    *size = fread(data, 1, 1 << 20, f);
    CU_ASSERT_EQUAL(pclose(f), 0);
    CU_ASSERT_FATAL(*size > 0 && *size % TAR_BLOCK == 0);
    return data;
}

#define MAKE "cd $(mktemp -d) && mkdir -p a/b && printf hello > index.html && printf '%01000d' 7 > a/b/c && : > a/empty && " \
    "ln -s c a/b/link && ln a/empty a/hard && long=$(printf '%0120d' 0) && mkdir $long && printf long > $long/$long.txt && " \
    "tar -cf - --sort=name "

static void expect_file(const uint8_t *data, const char *name, const char *begins, uint64_t size)
{
    const struct tar_file *f = tar_find(&tar, name);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(f->size, size);
    CU_ASSERT(memcmp(data + f->block * TAR_BLOCK, begins, strlen(begins)) == 0);
}

static void expect_archive(const char *command)
{
    size_t size;
    uint8_t *data = output_of(command, &size);
    char name[TAR_MAX_NAME];

    CU_ASSERT(read_archive(data, size));
    CU_ASSERT_STRING_EQUAL(tar.why, "");
    expect_file(data, "index.html", "hello", 5);
    expect_file(data, "a/b/c", "000000", 1000);
    expect_file(data, "a/empty", "", 0);
    CU_ASSERT_PTR_NULL(tar_find(&tar, "a/b/link"));
    CU_ASSERT_PTR_NULL(tar_find(&tar, "a"));
    CU_ASSERT_PTR_NULL(tar_find(&tar, "a/b/"));
    CU_ASSERT_EQUAL(tar.nr_left_out, 0);
    CU_ASSERT_EQUAL(tar.nr_files, 4);
    sprintf(name, "%0120d/%0120d.txt", 0, 0);
    expect_file(data, name, "long", 4);
    free(data);
}

static void test_gnu(void) { expect_archive(MAKE "--format=gnu *"); }
static void test_gnu_dot(void) { expect_archive(MAKE "--format=gnu ."); }
static void test_pax(void) { expect_archive(MAKE "--format=pax *"); }

// Of what we cannot tell where it is, or what it is called, we serve nothing.
static void test_left_out(void)
{
    size_t size;
    uint8_t *data = output_of("cd $(mktemp -d) && d=$(printf '%0200d' 0) && mkdir $d && printf x > $d/$d && printf y > b && "
                              "truncate -s 1M s && printf z >> s && tar --sparse --format=pax -cf - $d/$d s b", &size);

    CU_ASSERT(read_archive(data, size));
    CU_ASSERT_EQUAL(tar.nr_files, 1);
    CU_ASSERT_EQUAL(tar.nr_left_out, 2);
    expect_file(data, "b", "y", 1);
    free(data);
}

static void test_ustar(void)
{
    size_t size;
    char name[TAR_MAX_NAME];
    uint8_t *data = output_of("cd $(mktemp -d) && d=$(printf '%0140d' 0) && mkdir $d && printf x > $d/file && "
                              "printf one > a && tar --format=ustar -cf t $d/file a && printf second > a && "
                              "tar --format=ustar -rf t a && cat t", &size);

    CU_ASSERT(read_archive(data, size));
    sprintf(name, "%0140d/file", 0);
    expect_file(data, name, "x", 1);
    expect_file(data, "a", "second", 6);    // the last one counts, as for tar
    free(data);
}

static void seal(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < TAR_BLOCK; i++) {
        sum += header[i];
    }
    sprintf((char *)header + 148, "%06o", sum);
}

static void put_header(uint8_t *header, const char *name, const char *size, char type)
{
    memset(header, 0, TAR_BLOCK);
    snprintf((char *)header, 100, "%s", name);
    snprintf((char *)header + 124, 12, "%s", size);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar", 6);
    seal(header);
}

static void expect_refused(const uint8_t *data, size_t size, const char *why)
{
    CU_ASSERT(!read_archive(data, size));
    CU_ASSERT_PTR_NOT_NULL(strstr(tar.why, why));
}

static void test_damaged_archives(void)
{
    uint8_t data[8 * TAR_BLOCK] = { 0 };
    struct disk unreadable = { data, 8, 2 };

    put_header(data, "a", "1000", '0');    // 512 bytes, two blocks in all
    put_header(data + 2 * TAR_BLOCK, "b", "7000", '0');
    CU_ASSERT(read_archive(data, sizeof(data) + 8 * TAR_BLOCK) == false);
    expect_refused(data, sizeof(data), "longer than the disk");
    CU_ASSERT(!tar_index(&tar, 8, read_block, &unreadable));
    CU_ASSERT_STRING_EQUAL(tar.why, "block 2 of the disk cannot be read");
    put_header(data + 2 * TAR_BLOCK, "b", "77777777777", '0');
    expect_refused(data, sizeof(data), "longer than the disk");
    memset(data + 2 * TAR_BLOCK + 124, 0xff, 12);    // a number that no 64 bits hold
    seal(data + 2 * TAR_BLOCK);
    expect_refused(data, sizeof(data), "no header");
    put_header(data + 2 * TAR_BLOCK, "b", "99", '0');
    expect_refused(data, sizeof(data), "no header");
    put_header(data + 2 * TAR_BLOCK, "b", "1", '0');
    data[2 * TAR_BLOCK]++;
    expect_refused(data, sizeof(data), "no header");
    memset(data, 'x', sizeof(data));
    expect_refused(data, sizeof(data), "block 0 of the disk is no header");
    CU_ASSERT(read_archive(data, 0));
    CU_ASSERT_EQUAL(tar.nr_files, 0);
}

static void put_records(uint8_t *data, const char *records)
{
    char size[24];

    memset(data, 0, 5 * TAR_BLOCK);
    snprintf(size, sizeof(size), "%zo", strlen(records));
    put_header(data, "records", size, 'x');
    memcpy(data + TAR_BLOCK, records, strlen(records));
    put_header(data + (strlen(records) > TAR_BLOCK ? 3 : 2) * TAR_BLOCK, "file", "0", '0');
}

// A record without its end says nothing; one that is whole does.
static void test_records(void)
{
    uint8_t data[5 * TAR_BLOCK];
    char text[2 * TAR_BLOCK + 1];

    put_records(data, "10 path=b\n");
    CU_ASSERT(read_archive(data, sizeof(data)));
    expect_file(data, "b", "", 0);
    put_records(data, "10 path=bc");
    CU_ASSERT(read_archive(data, sizeof(data)));
    CU_ASSERT(tar.nr_files == 0 && tar.nr_left_out == 1);
    // Nothing behind "path=", where the room for it ends.
    sprintf(text, "1016 comment=%01002d\n7 path=", 0);
    CU_ASSERT_EQUAL(strlen(text), 1023);
    put_records(data, text);
    CU_ASSERT(read_archive(data, sizeof(data)));
    CU_ASSERT(tar.nr_files == 0 && tar.nr_left_out == 1);
}

static void test_many_files(void)
{
    size_t nr = TAR_MAX_FILES + 5;
    uint8_t *data = calloc(nr, TAR_BLOCK);

    CU_ASSERT_FATAL(data != NULL);
    for (size_t i = 0; i < nr; i++) {
        char name[100];
        sprintf(name, "%099zu", i);
        put_header(data + i * TAR_BLOCK, name, "0", '0');
    }
    CU_ASSERT(read_archive(data, nr * TAR_BLOCK));
    CU_ASSERT_EQUAL(tar.nr_files + tar.nr_left_out, nr);
    CU_ASSERT(tar.nr_left_out >= 5 && tar.names_used <= TAR_MAX_NAMES);
    free(data);
}

// --- requests

static struct http_request r;

static unsigned status_of(const char *text)
{
    CU_ASSERT_FATAL(http_parse(text, strlen(text), &r));
    CU_ASSERT_EQUAL(r.size, strlen(text));
    return r.status;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_request(void)
{
    CU_ASSERT_EQUAL(status_of(GET("/a/b%20c.txt?query=1")), 200);
    CU_ASSERT_STRING_EQUAL(r.path, "a/b c.txt");
    CU_ASSERT(r.keeps_alive && !r.is_head);
    CU_ASSERT_EQUAL(status_of("HEAD / HTTP/1.0\r\n\r\n"), 200);
    CU_ASSERT_STRING_EQUAL(r.path, "index.html");
    CU_ASSERT(!r.keeps_alive && r.is_head);
    CU_ASSERT_EQUAL(status_of("GET /a/ HTTP/1.0\nConnection: Keep-Alive\n\n"), 200);
    CU_ASSERT_STRING_EQUAL(r.path, "a/index.html");
    CU_ASSERT(r.keeps_alive);
    CU_ASSERT_EQUAL(status_of("\r\nGET http://host:80/x HTTP/1.1\r\nhost:y\r\nConnection: foo, close\r\n\r\n"), 200);
    CU_ASSERT_STRING_EQUAL(r.path, "x");
    CU_ASSERT(!r.keeps_alive);
    CU_ASSERT_EQUAL(status_of("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 200);
    CU_ASSERT_EQUAL(status_of(GET("/../../etc/passwd")), 200);    // a name as any other, of no file
}

static void test_bad_requests(void)
{
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
    CU_ASSERT(!r.keeps_alive);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    CU_ASSERT_EQUAL(status_of(GET("/%0")), 400);
    CU_ASSERT_EQUAL(status_of(GET("/%zz")), 400);
    CU_ASSERT_EQUAL(status_of(GET("/%00")), 400);
    CU_ASSERT_EQUAL(status_of(GET("/a\tb")), 400);
    CU_ASSERT_EQUAL(status_of(GET("a")), 400);
    CU_ASSERT_EQUAL(status_of(GET("")), 400);
    CU_ASSERT_EQUAL(status_of("GET\r\n\r\n"), 400);
    CU_ASSERT_EQUAL(status_of("G(T / HTTP/1.1\r\n\r\n"), 400);
    CU_ASSERT_EQUAL(status_of("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
    CU_ASSERT_EQUAL(status_of("GET / HTTQ/1.1\r\nHost: a\r\n\r\n"), 400);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), 413);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 413);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
    CU_ASSERT_EQUAL(status_of("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
    CU_ASSERT(http_parse("\n\n\n", 3, &r) && r.status == 400);
}

static void test_limits(void)
{
    char text[HTTP_MAX_REQUEST + 100];

    for (size_t length = HTTP_MAX_PATH - 20; length < HTTP_MAX_PATH + 20; length++) {
        sprintf(text, "GET /%0*d HTTP/1.0\r\n\r\n", (int)length, 0);
        unsigned wanted = length + sizeof("index.html") <= HTTP_MAX_PATH ? 200 : 414;
        CU_ASSERT_EQUAL(status_of(text), wanted);
    }
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET / HTTP/1.1\r\nx:", 18);
    CU_ASSERT(!http_parse(text, HTTP_MAX_REQUEST - 1, &r));
    CU_ASSERT(http_parse(text, HTTP_MAX_REQUEST, &r));
    CU_ASSERT_EQUAL(r.status, 431);
    CU_ASSERT(!r.keeps_alive);
}

// One after the other in one buffer, whatever the pieces that they come in.
static void test_pieces(void)
{
    const char *text = GET("/one") GET("/two");
    size_t first = strlen(GET("/one"));

    for (size_t size = 0; size < first; size++) {
        CU_ASSERT(!http_parse(text, size, &r));
    }
    CU_ASSERT(http_parse(text, strlen(text), &r));
    CU_ASSERT_EQUAL(r.size, first);
    CU_ASSERT_STRING_EQUAL(r.path, "one");
    CU_ASSERT(http_parse(text + first, strlen(text) - first, &r));
    CU_ASSERT_STRING_EQUAL(r.path, "two");
}

static void test_head(void)
{
    char head[HTTP_MAX_HEAD];

    CU_ASSERT_EQUAL(http_head(head, 200, http_type("a/b.HTML"), 5, true), strlen(head));
    CU_ASSERT_STRING_EQUAL(head, "HTTP/1.1 200 OK\r\nServer: paravane\r\nContent-Type: text/html; charset=utf-8\r\n"
                                 "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
    // The longest there is.
    CU_ASSERT(http_head(head, 405, http_type("a.htm"), UINT64_MAX, true) < HTTP_MAX_HEAD - 1);
    CU_ASSERT(http_head(head, 431, http_type("a.htm"), UINT64_MAX, true) < HTTP_MAX_HEAD - 1);
    CU_ASSERT_STRING_EQUAL(http_type("html"), "application/octet-stream");
    CU_ASSERT_STRING_EQUAL(http_type("a.tar.gz"), "application/gzip");
}

static void test_format(void)
{
    char text[16];

    CU_ASSERT_EQUAL(format(text, sizeof(text), "%s %c %d", "a", 'b', -3), 6);
    CU_ASSERT_STRING_EQUAL(text, "a b -3");
    format(text, sizeof(text), "%04x|%3u|%-s", 0xabu, 7u, "z");
    CU_ASSERT_STRING_EQUAL(text, "00ab|  7|-s");
    CU_ASSERT_EQUAL(format(text, sizeof(text), "%lu", UINT64_MAX), 15);    // cut
    CU_ASSERT_STRING_EQUAL(text, "184467440737095");
    format(text, sizeof(text), "%ld", INT64_MIN);
    CU_ASSERT_STRING_EQUAL(text, "-92233720368547");
}

static void test_fuzz(void)
{
    size_t size;
    uint8_t *data = output_of(MAKE "--format=gnu *", &size);
    const char *text = "\1" GET("/a%20b?c") "HEAD http://x/ HTTP/1.0\r\nConnection: close\r\n\r\n";

    data[0] = 0;    // an archive, for the target
    CU_ASSERT(fuzz_mini(data, size > 16 * TAR_BLOCK ? 16 * TAR_BLOCK : size, 3000) > 3000);
    CU_ASSERT(fuzz_mini((const uint8_t *)text, strlen(text), 20000) > 20000);
    put_records(data, "13 comment=a\n7 path=");
    CU_ASSERT(fuzz_mini(data, 5 * TAR_BLOCK, 3000) > 3000);
    free(data);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "gnu", test_gnu },
        { "gnu_dot", test_gnu_dot },
        { "pax", test_pax },
        { "ustar", test_ustar },
        { "left_out", test_left_out },
        { "damaged_archives", test_damaged_archives },
        { "records", test_records },
        { "many_files", test_many_files },
        { "request", test_request },
        { "bad_requests", test_bad_requests },
        { "limits", test_limits },
        { "pieces", test_pieces },
        { "head", test_head },
        { "format", test_format },
        { "fuzz", test_fuzz },
        { 0 },
    };

    return unit_main("guest_http", tests);
}
