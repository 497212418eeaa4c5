// SPDX-License-Identifier: MIT
// Measures a store through its Unix socket, whichever daemon listens there, and a bare echo of the same
// messages for comparison. Prints "name operations-per-second" lines.
//
// usage: storebench SOCKET TEST...      the tests are in the table at the end
//        storebench --echo SOCKET       answers each message with itself, until killed
#include <errno.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "public/io/xs_wire.h"

enum { DEPTH = 32, BATCH_SIZE = 64 << 10 };

static const char *socket_path;
static double seconds = 1.0;

static void die(const char *what)
{
    fprintf(stderr, "storebench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int connect_store(void)
{
    struct sockaddr_un address = address_of(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        die(socket_path);
    return fd;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t put_message(char *to, uint32_t type, uint32_t tx, const char *payload, size_t size)
{
    struct xsd_sockmsg header = { type, 1, tx, (uint32_t)size };

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), payload, size);
    return sizeof(header) + size;
}

static void send_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t done = write(fd, bytes, size);

        if (done <= 0)
            die("write");
        bytes += done;
        size -= (size_t)done;
    }
}

// Reads until `count` whole messages that are no events have come; the payload of the last is kept.
struct input {
    char bytes[BATCH_SIZE];
    size_t size;
    uint32_t type;
    char payload[XENSTORE_PAYLOAD_MAX + 1];
};

static void receive(int fd, struct input *in, size_t count)
{
    size_t at = 0;

    while (count) {
        struct xsd_sockmsg header;

        if (in->size - at >= sizeof(header)) {
            memcpy(&header, in->bytes + at, sizeof(header));
            if (in->size - at >= sizeof(header) + header.len) {
                in->type = header.type;
                memcpy(in->payload, in->bytes + at + sizeof(header), header.len);
                in->payload[header.len] = '\0';
                at += sizeof(header) + header.len;
                count -= header.type != XS_WATCH_EVENT;
                continue;
            }
        }
        memmove(in->bytes, in->bytes + at, in->size - at);
        in->size -= at;
        at = 0;
        ssize_t got = read(fd, in->bytes + in->size, sizeof(in->bytes) - in->size);
        if (got <= 0)
            die("read");
        in->size += (size_t)got;
    }
    memmove(in->bytes, in->bytes + at, in->size - at);
    in->size -= at;
}

static struct input input;

static void request(int fd, uint32_t type, uint32_t tx, const char *payload, size_t size)
{
    char message[8192];

    send_all(fd, message, put_message(message, type, tx, payload, size));
    receive(fd, &input, 1);
    if (input.type == XS_ERROR && strcmp(input.payload, "EAGAIN") != 0 && strcmp(input.payload, "EEXIST") != 0) {
        fprintf(stderr, "storebench: operation %u on %s: %s\n", type, payload, input.payload);
        exit(1);
    }
}

#define READ_PATH "/local/domain/0/bench/node"

static size_t write_payload(char *to, const char *path, unsigned value)
{
    int path_size = sprintf(to, "%s", path) + 1;

    return (size_t)path_size + (size_t)sprintf(to + path_size, "value-%u", value);
}

static void prepare(int fd)
{
    char payload[256];

    request(fd, XS_WRITE, 0, payload, write_payload(payload, READ_PATH, 1));
}

static double read_rate(int fd)
{
    double start = now(), end;
    uint64_t count = 0;

    do {
        for (int i = 0; i < 200; i++)
            request(fd, XS_READ, 0, READ_PATH, sizeof(READ_PATH));
        count += 200;
        end = now();
    } while (end - start < seconds);
    return (double)count / (end - start);
}

static double write_rate(int fd)
{
    double start = now(), end;
    unsigned count = 0;
    char payload[256];

    do {
        for (int i = 0; i < 200; i++)
            request(fd, XS_WRITE, 0, payload, write_payload(payload, READ_PATH, count++));
        end = now();
    } while (end - start < seconds);
    return (double)count / (end - start);
}

static double pipelined_rate(int fd, uint32_t type)
{
    double start = now(), end;
    char batch[BATCH_SIZE], payload[256];
    uint64_t count = 0;

    do {
        for (int i = 0; i < 50; i++, count += DEPTH) {
            size_t size = 0;

            for (int j = 0; j < DEPTH; j++) {
                if (type == XS_READ)
                    size += put_message(batch + size, type, 0, READ_PATH, sizeof(READ_PATH));
                else
                    size += put_message(batch + size, type, 0, payload,
                                        write_payload(payload, READ_PATH, (unsigned)count));
            }
            send_all(fd, batch, size);
            receive(fd, &input, DEPTH);
        }
        end = now();
    } while (end - start < seconds);
    return (double)count / (end - start);
}

// One transaction: start, 10 reads, 5 writes, commit.
static void transaction(int fd, unsigned count)
{
    char payload[256], path[64];
    uint32_t tx;

    request(fd, XS_TRANSACTION_START, 0, "", 1);
    tx = (uint32_t)strtoul(input.payload, NULL, 10);
    for (int i = 0; i < 10; i++)
        request(fd, XS_READ, tx, READ_PATH, sizeof(READ_PATH));
    for (int i = 0; i < 5; i++) {
        sprintf(path, "/local/domain/0/bench/txn/%d", i);
        request(fd, XS_WRITE, tx, payload, write_payload(payload, path, count));
    }
    request(fd, XS_TRANSACTION_END, tx, "T", 2);
}

static double txn_rate(int fd)
{
    double start = now(), end;
    unsigned count = 0;

    do {
        for (int i = 0; i < 20; i++)
            transaction(fd, count++);
        end = now();
    } while (end - start < seconds);
    return count / (end - start);
}

static void show(const char *name, double rate)
{
    printf("%s %.0f\n", name, rate);
    fflush(stdout);
}

static void test_read(int fd) { show("read", read_rate(fd)); }
static void test_write(int fd) { show("write", write_rate(fd)); }
static void test_pipelined_read(int fd) { show("pipelined_read", pipelined_rate(fd, XS_READ)); }
static void test_pipelined_write(int fd) { show("pipelined_write", pipelined_rate(fd, XS_WRITE)); }
static void test_txn(int fd) { show("txn", txn_rate(fd)); }

// Four clients at a time, reading: the sum.
static void test_read_4(int fd)
{
    int ends[2];
    double sum = 0;

    (void)fd;
    if (pipe(ends))
        die("pipe");
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            double rate = read_rate(connect_store());

            _exit(write(ends[1], &rate, sizeof(rate)) != sizeof(rate));
        }
    for (int i = 0; i < 4; i++) {
        double rate = 0;

        wait(NULL);
        if (read(ends[0], &rate, sizeof(rate)) != sizeof(rate))
            die("a client");
        sum += rate;
    }
    show("read_4_clients", sum);
}

static void add_watches(int fd, unsigned from, unsigned to)
{
    char payload[128], batch[BATCH_SIZE];
    size_t size = 0, pending = 0;

    for (unsigned i = from; i < to; i++) {
        int length = sprintf(payload, "/local/domain/%u/unrelated/%u", i / 100 + 10, i) + 1;

        length += sprintf(payload + length, "token") + 1;
        size += put_message(batch + size, XS_WATCH, 0, payload, (size_t)length);
        if (++pending == DEPTH || i + 1 == to) {
            send_all(fd, batch, size);
            receive(fd, &input, pending);
            size = pending = 0;
        }
    }
}

// The watches are another connection's, which takes its first events and then sleeps.
static void watched(unsigned count)
{
    int fd = connect_store(), other = connect_store();
    char name[32];

    add_watches(other, 0, count);
    sprintf(name, "write_%u_watches", count);
    show(name, write_rate(fd));
    sprintf(name, "read_%u_watches", count);
    show(name, read_rate(fd));
    close(other);
    close(fd);
}

static void test_watches_1k(int fd) { (void)fd; watched(1000); }
static void test_watches_10k(int fd) { (void)fd; watched(10000); }
static void test_watches_100k(int fd) { (void)fd; watched(100000); }

static void test_idle_900(int fd)
{
    int fds[900];

    for (int i = 0; i < 900; i++) {
        fds[i] = connect_store();
        request(fds[i], XS_READ, 0, READ_PATH, sizeof(READ_PATH));
    }
    show("read_900_idle", read_rate(fd));
    show("write_900_idle", write_rate(fd));
    for (int i = 0; i < 900; i++)
        close(fds[i]);
}

// Domains of 32 nodes each.
static void add_domains(int fd, unsigned from, unsigned to)
{
    char payload[128], path[64], batch[BATCH_SIZE];

    for (unsigned domid = from; domid < to; domid++) {
        size_t size = 0;

        for (unsigned i = 0; i < DEPTH - 1; i++) {
            sprintf(path, "/local/domain/%u/device%u/vif/0/x%u", domid, i / 8, i % 8);
            size += put_message(batch + size, XS_WRITE, 0, payload, write_payload(payload, path, domid));
        }
        send_all(fd, batch, size);
        receive(fd, &input, DEPTH - 1);
    }
}

static void test_domains_1k(int fd)
{
    add_domains(fd, 1, 1001);
    show("read_1k_domains", read_rate(fd));
    show("write_1k_domains", write_rate(fd));
    show("txn_1k_domains", txn_rate(fd));
}

static void test_domains_8k(int fd)
{
    add_domains(fd, 1, 8001);
    show("read_320k_nodes", read_rate(fd));
    show("write_320k_nodes", write_rate(fd));
    show("txn_320k_nodes", txn_rate(fd));
}

static void echo(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    char bytes[BATCH_SIZE];

    unlink(path);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 64))
        die(path);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        ssize_t size;

        if (fork() == 0) {
            while ((size = read(fd, bytes, sizeof(bytes))) > 0)
                send_all(fd, bytes, (size_t)size);
            _exit(0);
        }
        close(fd);
    }
}

static const struct {
    const char *name;
    void (*run)(int fd);
} tests[] = {
    { "read", test_read },
    { "write", test_write },
    { "pipelined_read", test_pipelined_read },
    { "pipelined_write", test_pipelined_write },
    { "read_4", test_read_4 },
    { "txn", test_txn },
    { "watches_1k", test_watches_1k },
    { "watches_10k", test_watches_10k },
    { "watches_100k", test_watches_100k },
    { "idle_900", test_idle_900 },
    { "domains_1k", test_domains_1k },
    { "domains_8k", test_domains_8k },
};

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "--echo") == 0)
        echo(argv[2]);
    if (argc < 3)
        return 2;
    if (getenv("STOREBENCH_SECONDS"))
        seconds = atof(getenv("STOREBENCH_SECONDS"));
    socket_path = argv[1];
    for (int i = 2; i < argc; i++)
        for (size_t j = 0; j < sizeof(tests) / sizeof(tests[0]); j++)
            if (strcmp(argv[i], tests[j].name) == 0) {
                int fd = connect_store();

                prepare(fd);
                tests[j].run(fd);
                close(fd);
            }
    return 0;
}
