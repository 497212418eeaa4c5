// SPDX-License-Identifier: MIT
/*
 * How long a command takes, and how long until a file that grows meanwhile has certain words:
 *
 *     stopwatch NAME COMMAND...                       "@@ VALUE NAME microseconds" when the command has ended
 *     stopwatch -f FILE -w WORDS NAME COMMAND...      ... when FILE has WORDS behind what it held at the start
 *
 * It waits without polling: on the emulated CPU that is measured, each look costs what a guest could use.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 60000
#define FILE_MAX 65536

static void die(const char *what)
{
    fprintf(stderr, "stopwatch: %s: %s\n", what, strerror(errno));
    exit(2);
}

static long microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What follows offset in the file, as text; "" while there is no file. */
static const char *text_of(const char *path, off_t offset)
{
    static char text[FILE_MAX];
    int file = open(path, O_RDONLY);
    ssize_t n = file < 0 ? 0 : pread(file, text, sizeof(text) - 1, offset);

    if (file >= 0)
        close(file);
    text[n > 0 ? n : 0] = 0;
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = ' ';
    return text;
}

static off_t size_of(const char *path)
{
    int file = open(path, O_RDONLY);
    off_t size = file < 0 ? 0 : lseek(file, 0, SEEK_END);

    if (file >= 0)
        close(file);
    return size;
}

/* The folder is watched, as the file may not be there yet. */
static int watch_folder(const char *path)
{
    char folder[FILENAME_MAX];
    int notify = inotify_init1(IN_CLOEXEC);

    snprintf(folder, sizeof(folder), "%s", path);
    *(strrchr(folder, '/') ? strrchr(folder, '/') : folder) = 0;
    if (notify < 0 || inotify_add_watch(notify, folder, IN_MODIFY | IN_CREATE) < 0)
        die(folder);
    return notify;
}

static void wait_for_words(int notify, const char *path, off_t offset, const char *words)
{
    char events[4096];

    while (!strstr(text_of(path, offset), words)) {
        struct pollfd p = { .fd = notify, .events = POLLIN };

        if (poll(&p, 1, LIMIT_MS) <= 0) {
            errno = ETIMEDOUT;
            die(words);
        }
        if (read(notify, events, sizeof(events)) < 0)
            die("inotify");
    }
}

static pid_t start(char **command)
{
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child)
        return child;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(command[0], command);
    die(command[0]);
    return 0;
}

int main(int argc, char **argv)
{
    const char *path = NULL, *words = NULL;
    int option, status = 0, notify = -1;
    long begin, end;
    off_t offset;
    pid_t child;

    while ((option = getopt(argc, argv, "+f:w:")) > 0) {
        if (option == 'f')
            path = optarg;
        else if (option == 'w')
            words = optarg;
        else
            return 2;
    }
    if (argc - optind < 2 || !path != !words) {
        fprintf(stderr, "usage: stopwatch [-f FILE -w WORDS] NAME COMMAND...\n");
        return 2;
    }
    if (path)
        notify = watch_folder(path);
    offset = path ? size_of(path) : 0;
    begin = microseconds();
    child = start(argv + optind + 1);
    if (path)
        wait_for_words(notify, path, offset, words);
    end = microseconds();
    if (waitpid(child, &status, 0) != child || status)
        fprintf(stderr, "stopwatch: %s: status %x\n", argv[optind], (unsigned int)status);
    if (!path)
        end = microseconds();
    printf("@@ VALUE %s %ld\n", argv[optind], end - begin);
    return status != 0;
}
