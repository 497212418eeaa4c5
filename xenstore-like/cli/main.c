// SPDX-License-Identifier: MIT
// vane-store: the store from the command line, as a table of commands over the client library.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../client/xs.h"

struct command {
    const char *name;
    int min, max;               // words behind the name; max of -1: any number
    enum form { MEMBERS, NODES, LINES } form;   // of its JSON: an object's members, a list of nodes, or an object in each line
    int (*run)(struct xs *xs, char *words[], int count);
    const char *usage, *help;
};

// As JSON for programs: a command's whole answer or nothing, but each change that a watch sees in a line of its own.
static struct {
    bool json, has_items;
    FILE *to;
} out;

static int complain(const char *what, int rc)
{
    fprintf(stderr, "vane-store: %s: %s\n", what, strerror(-rc));
    return 1;
}

// A value as it is if all of it can be printed, else with \xNN for what cannot; in JSON \u00NN.
static void print_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c == '\\' || (out.json && c == '"'))
            fprintf(out.to, "\\%c", c);
        else if (c >= ' ' && c < 0x7f)
            fputc(c, out.to);
        else
            fprintf(out.to, out.json ? "\\u%04x" : "\\x%02x", c);
    }
}

static void print_quoted(const char *value, size_t length)
{
    fputc('"', out.to);
    print_value(value, length);
    fputc('"', out.to);
}

static void print_member(const char *name, const char *value, size_t length)
{
    fprintf(out.to, "\"%s\": ", name);
    print_quoted(value, length);
}

// Strings, each closed by a zero byte.
static void print_strings(const char *name, const char *strings, size_t size)
{
    fprintf(out.to, "\"%s\": [", name);
    for (size_t at = 0; at < size; at += strlen(strings + at) + 1) {
        fputs(at ? ", " : "", out.to);
        print_quoted(strings + at, strlen(strings + at));
    }
    fputc(']', out.to);
}

// Of the list of nodes, one of which is then closed by its brace.
static void begin_node(const char *path)
{
    fputs(out.has_items ? ",\n    {" : "\n    {", out.to);
    out.has_items = true;
    print_member("node", path, strlen(path));
}

static int run_read(struct xs *xs, char *words[], int count)
{
    for (int i = 0; i < count; i++) {
        size_t length;
        char *value;
        int rc = xs_get(xs, XS_NO_TX, words[i], &value, &length);

        if (rc)
            return complain(words[i], rc);
        if (out.json) {
            begin_node(words[i]);
            fputs(", ", out.to);
            print_member("value", value, length);
            fputc('}', out.to);
        } else {
            print_value(value, length);
            fputc('\n', out.to);
        }
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
        if (out.json) {
            begin_node(words[i]);
            fputs(", ", out.to);
            print_strings("children", names, length);
            fputc('}', out.to);
        }
        for (size_t at = 0; !out.json && at < length; at += strlen(names + at) + 1)
            fprintf(out.to, "%s\n", names + at);
        free(names);
    }
    return 0;
}

static void print_perms(const char *perms, size_t length)
{
    if (out.json) {
        fputs(", ", out.to);
        print_strings("permissions", perms, length);
        fputc('}', out.to);
    } else {
        for (size_t at = 0; at < length; at += strlen(perms + at) + 1)
            fprintf(out.to, "%s%s", at ? "," : " (", perms + at);
        fputs(")\n", out.to);
    }
}

static void print_node(const char *path, const char *value, size_t length)
{
    if (out.json) {
        begin_node(path);
        fputs(", ", out.to);
        print_member("value", value, length);
    } else {
        fprintf(out.to, "%s = \"", path);
        print_value(value, length);
        fputc('"', out.to);
    }
}

// One node in a line, and then what is below it. What vanishes meanwhile is left out.
static int print_tree(struct xs *xs, const char *path)
{
    size_t length, size;
    char *value, *names, *perms, below[3100];
    int rc = xs_get(xs, XS_NO_TX, path, &value, &length);

    if (rc)
        return rc;
    rc = xs_get_perms(xs, XS_NO_TX, path, &perms, &size);
    if (rc == 0) {
        print_node(path, value, length);
        print_perms(perms, size);
        free(perms);
    }
    free(value);
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
        if (out.json) {
            fputc('{', out.to);
            print_member("node", node, strlen(node));
            fputs("}\n", out.to);
        } else {
            puts(node);
        }
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
    if (out.json)
        print_member("answer", answer, strlen(answer));
    else
        fprintf(out.to, "%s%s", answer, answer[0] && answer[strlen(answer) - 1] == '\n' ? "" : "\n");
    free(answer);
    return 0;
}

static const struct command commands[] = {
    { "read", 1, -1, NODES, run_read, "NODE...", "print values" },
    { "write", 2, -1, MEMBERS, run_write, "NODE VALUE...", "set values, all or none" },
    { "ls", 0, 1, NODES, run_ls, "[NODE]", "print a tree with values and permissions" },
    { "list", 1, -1, NODES, run_list, "NODE...", "print the names of children" },
    { "rm", 1, -1, MEMBERS, run_rm, "NODE...", "remove nodes and all below them" },
    { "chmod", 2, -1, MEMBERS, run_chmod, "NODE PERM...", "set permissions: n0 r5 w5 b5, the owner first" },
    { "watch", 1, -1, LINES, run_watch, "NODE...", "print each change, until interrupted" },
    { "control", 1, -1, MEMBERS, run_control, "WORD...", "ask the daemon: check, quota, memreport, help" },
};

static int usage(FILE *to)
{
    fputs("usage: vane-store [-o table|json] COMMAND [WORD...]\n\n", to);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(to, "  %-8s %-14s %s\n", commands[i].name, commands[i].usage, commands[i].help);
    fputs("\nThe store's socket is $XENSTORED_PATH or /run/xenstored/socket.\n"
          "Exit status: 0 done, 1 the store refused or is not there, 2 wrong usage.\n", to);
    return to == stdout ? 0 : 2;
}

static int run_json(const struct command *command, struct xs *xs, char *words[], int count)
{
    char *text = NULL;
    size_t size;
    int rc;

    out.to = open_memstream(&text, &size);
    if (!out.to)
        return complain(command->name, -ENOMEM);
    fputs(command->form == NODES ? "{\"nodes\": [" : "{", out.to);
    rc = command->run(xs, words, count);
    fputs(command->form == NODES ? "\n]}\n" : "}\n", out.to);
    if (fclose(out.to))
        rc = complain(command->name, -ENOMEM);
    if (rc == 0)
        fputs(text, stdout);
    free(text);
    return rc;
}

static int run(const struct command *command, char *words[], int count)
{
    struct xs *xs;
    int rc = xs_connect(&xs, NULL);

    if (rc)
        return complain("the store cannot be reached", rc);
    out.to = stdout;
    rc = out.json && command->form != LINES ? run_json(command, xs, words, count) : command->run(xs, words, count);
    xs_disconnect(xs);
    return rc;
}

int main(int argc, char *argv[])
{
    char **words = argv + 1;
    int count;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (argc > 2 && strcmp(argv[1], "-o") == 0) {
        out.json = strcmp(argv[2], "json") == 0;
        if (!out.json && strcmp(argv[2], "table") != 0)
            return usage(stderr);
        words += 2;
    }
    count = argc - (int)(words - argv) - 1;
    for (size_t i = 0; *words && i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *command = &commands[i];

        if (strcmp(*words, command->name) == 0 && count >= command->min && (command->max < 0 || count <= command->max))
            return run(command, words + 1, count);
    }
    return usage(stderr);
}
