// SPDX-License-Identifier: MIT
// vane-store: the store from the command line, as a table of commands over the client library.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../client/xs.h"

struct command {
    const char *name;
    int min, max;               // words behind the name; max of -1: any number
    int (*run)(struct xs *xs, char *words[], int count);
    const char *usage, *help;
};

static int complain(const char *what, int rc)
{
    fprintf(stderr, "vane-store: %s: %s\n", what, strerror(-rc));
    return 1;
}

// A value as it is if all of it can be printed, else with \xNN for what cannot.
static void print_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c >= ' ' && c < 0x7f && c != '\\')
            putchar(c);
        else
            printf(c == '\\' ? "\\\\" : "\\x%02x", c);
    }
}

static int run_read(struct xs *xs, char *words[], int count)
{
    for (int i = 0; i < count; i++) {
        size_t length;
        char *value;
        int rc = xs_get(xs, XS_NO_TX, words[i], &value, &length);

        if (rc)
            return complain(words[i], rc);
        print_value(value, length);
        putchar('\n');
        free(value);
    }
    return 0;
}

static int write_all(struct xs *xs, xs_tx tx, char *words[], int count, const char **failed)
{
    int rc = xs_batch_begin(xs), ended;
    size_t number = 0;

    if (rc)
        return rc;
    for (int i = 0; i < count && rc == 0; i += 2) {
        *failed = words[i];
        rc = xs_set(xs, tx, words[i], words[i + 1], strlen(words[i + 1]));
    }
    ended = xs_batch_end(xs, &number);
    if (!rc && ended)
        *failed = words[2 * number];
    return rc ? rc : ended;
}

// All of them or none.
static int run_write(struct xs *xs, char *words[], int count)
{
    const char *failed = words[0];
    int rc;

    if (count % 2)
        return complain(words[count - 1], -EINVAL);
    do {
        xs_tx tx;

        rc = xs_begin(xs, &tx);
        if (rc)
            break;
        rc = write_all(xs, tx, words, count, &failed);
        if (rc)
            (void)xs_end(xs, tx, false);
        else
            rc = xs_end(xs, tx, true);
    } while (rc == -EAGAIN);
    return rc ? complain(failed, rc) : 0;
}

static int run_list(struct xs *xs, char *words[], int count)
{
    for (int i = 0; i < count; i++) {
        size_t length;
        char *names;
        int rc = xs_list(xs, XS_NO_TX, words[i], &names, &length);

        if (rc)
            return complain(words[i], rc);
        for (size_t at = 0; at < length; at += strlen(names + at) + 1)
            puts(names + at);
        free(names);
    }
    return 0;
}

static int print_perms(struct xs *xs, const char *path)
{
    size_t length;
    char *perms;
    int rc = xs_get_perms(xs, XS_NO_TX, path, &perms, &length);

    if (rc)
        return rc;
    for (size_t at = 0; at < length; at += strlen(perms + at) + 1)
        printf("%s%s", at ? "," : " (", perms + at);
    puts(")");
    free(perms);
    return 0;
}

// One node in a line, and then what is below it. What vanishes meanwhile is left out.
static int print_tree(struct xs *xs, const char *path)
{
    size_t length, size;
    char *value, *names, below[3100];
    int rc = xs_get(xs, XS_NO_TX, path, &value, &length);

    if (rc)
        return rc;
    printf("%s = \"", path);
    print_value(value, length);
    printf("\"");
    free(value);
    rc = print_perms(xs, path);
    if (rc == 0)
        rc = xs_list(xs, XS_NO_TX, path, &names, &size);
    if (rc)
        return rc;
    for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
        snprintf(below, sizeof(below), "%s/%s", path[1] ? path : "", names + at);
        rc = print_tree(xs, below);
        if (rc && rc != -ENOENT)
            break;
    }
    free(names);
    return rc == -ENOENT ? 0 : rc;
}

static int run_ls(struct xs *xs, char *words[], int count)
{
    const char *top = count ? words[0] : "/";
    int rc = print_tree(xs, top);

    return rc ? complain(top, rc) : 0;
}

static int run_rm(struct xs *xs, char *words[], int count)
{
    for (int i = 0; i < count; i++) {
        int rc = xs_remove(xs, XS_NO_TX, words[i]);

        if (rc)
            return complain(words[i], rc);
    }
    return 0;
}

static int run_chmod(struct xs *xs, char *words[], int count)
{
    char perms[4096];
    size_t size = 0;
    int rc;

    for (int i = 1; i < count; i++) {
        size_t length = strlen(words[i]) + 1;

        if (size + length > sizeof(perms))
            return complain(words[i], -E2BIG);
        memcpy(perms + size, words[i], length);
        size += length;
    }
    rc = xs_set_perms(xs, XS_NO_TX, words[0], perms, size);
    return rc ? complain(words[0], rc) : 0;
}

// Goes on when the store is started again.
static int run_watch(struct xs *xs, char *words[], int count)
{
    char *node, *token;
    int rc = 0;

    for (int i = 0; i < count && rc == 0; i++) {
        rc = xs_watch(xs, words[i], words[i]);
        if (rc)
            return complain(words[i], rc);
    }
    for (;;) {
        rc = xs_event(xs, -1, &node, &token);
        if (rc == -ECONNRESET && (rc = xs_reconnect(xs, 60000)) == 0)
            continue;
        if (rc)
            return complain("events", rc);
        puts(node);
        fflush(stdout);
        free(node);
        free(token);
    }
}

static int run_control(struct xs *xs, char *words[], int count)
{
    char all[4096], *answer;
    size_t size = 0;
    int rc;

    for (int i = 0; i < count; i++) {
        size_t length = strlen(words[i]) + 1;

        if (size + length > sizeof(all))
            return complain(words[i], -E2BIG);
        memcpy(all + size, words[i], length);
        size += length;
    }
    rc = xs_control(xs, all, size, &answer);
    if (rc)
        return complain(words[0], rc);
    printf("%s%s", answer, answer[0] && answer[strlen(answer) - 1] == '\n' ? "" : "\n");
    free(answer);
    return 0;
}

static const struct command commands[] = {
    { "read", 1, -1, run_read, "NODE...", "print values" },
    { "write", 2, -1, run_write, "NODE VALUE...", "set values, all or none" },
    { "ls", 0, 1, run_ls, "[NODE]", "print a tree with values and permissions" },
    { "list", 1, -1, run_list, "NODE...", "print the names of children" },
    { "rm", 1, -1, run_rm, "NODE...", "remove nodes and all below them" },
    { "chmod", 2, -1, run_chmod, "NODE PERM...", "set permissions: n0 r5 w5 b5, the owner first" },
    { "watch", 1, -1, run_watch, "NODE...", "print each change, until interrupted" },
    { "control", 1, -1, run_control, "WORD...", "ask the daemon: check, quota, memreport, help" },
};

static int usage(FILE *to)
{
    fputs("usage: vane-store COMMAND [WORD...]\n\n", to);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(to, "  %-8s %-14s %s\n", commands[i].name, commands[i].usage, commands[i].help);
    fputs("\nThe store's socket is $XENSTORED_PATH or /run/xenstored/socket.\n"
          "Exit status: 0 done, 1 the store refused or is not there, 2 wrong usage.\n", to);
    return to == stdout ? 0 : 2;
}

int main(int argc, char *argv[])
{
    struct xs *xs;
    int rc, count = argc - 2;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *command = &commands[i];

        if (strcmp(argv[1], command->name) != 0 || count < command->min ||
            (command->max >= 0 && count > command->max))
            continue;
        rc = xs_connect(&xs, NULL);
        if (rc)
            return complain("the store cannot be reached", rc);
        rc = command->run(xs, argv + 2, count);
        xs_disconnect(xs);
        return rc;
    }
    return usage(stderr);
}
