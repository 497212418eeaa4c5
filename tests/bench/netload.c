// SPDX-License-Identifier: MIT
// Loads a network for some seconds, and tells at the receiving end what came a second:
//
//     netload recv-tcp PORT            netload send-tcp ADDRESS PORT SECONDS
//     netload recv-udp PORT            netload send-udp ADDRESS PORT SECONDS       packets of 64 bytes with their headers
//
// A receiver counts from the first data to the last; of packets until none has come for a second.
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, PAYLOAD = 64 - 14 - 20 - 8 };

static char buffer[CHUNK];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_socket(int type, const char *address, const char *port, int is_server)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    int fd = socket(AF_INET, type, 0), on = 1;

    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (is_server ? bind(fd, (struct sockaddr *)&at, sizeof(at)) : connect(fd, (struct sockaddr *)&at, sizeof(at)))
        die(is_server ? "bind" : "connect");
    return fd;
}

static int recv_tcp(char **words)
{
    int listener = open_socket(SOCK_STREAM, "0.0.0.0", words[0], 1), fd;
    double start = 0, bytes = 0;
    ssize_t r;

    if (listen(listener, 1) || (fd = accept(listener, NULL, NULL)) < 0)
        die("accept");
    while ((r = read(fd, buffer, sizeof(buffer))) > 0) {
        start = start ? start : now();
        bytes += (double)r;
    }
    printf("%.0f KiB/s\n", bytes / 1024 / (now() - start));
    return 0;
}

static int send_tcp(char **words)
{
    int fd = open_socket(SOCK_STREAM, words[0], words[1], 0);
    double end = now() + atof(words[2]);

    while (now() < end)
        if (write(fd, buffer, sizeof(buffer)) <= 0)
            die("write");
    return close(fd);
}

static int recv_udp(char **words)
{
    struct timeval patience = { .tv_sec = 1 };
    int fd = open_socket(SOCK_DGRAM, "0.0.0.0", words[0], 1);
    double start = 0, last = 0, packets = 0;

    if (recv(fd, buffer, sizeof(buffer), 0) < 0)
        die("recv");
    start = last = now();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (recv(fd, buffer, sizeof(buffer), 0) > 0) {
        packets++;
        last = now();
    }
    printf("%.0f packets/s\n", packets / (last > start ? last - start : 1));
    return 0;
}

// Who cannot keep up loses some: that is what is measured.
static int send_udp(char **words)
{
    int fd = open_socket(SOCK_DGRAM, words[0], words[1], 0);
    double end = now() + atof(words[2]);

    while (now() < end)
        for (int i = 0; i < 32; i++)
            (void)!send(fd, buffer, PAYLOAD, 0);
    return close(fd);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int nr_words; int (*run)(char **words); } ways[] = {
        { "recv-tcp", 1, recv_tcp }, { "send-tcp", 3, send_tcp }, { "recv-udp", 1, recv_udp }, { "send-udp", 3, send_udp },
    };

    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0 && argc == 2 + ways[i].nr_words)
            return ways[i].run(argv + 2);
    fprintf(stderr, "usage: netload recv-tcp|recv-udp PORT, or netload send-tcp|send-udp ADDRESS PORT SECONDS\n");
    return 2;
}
