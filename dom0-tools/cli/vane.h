// SPDX-License-Identifier: MIT
// vane, the command line: one table of commands, from which words are checked, and help, man page and bash
// completion are made. The exit status says what kind of thing went wrong.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "../lib/error.h"

// Behind those of error.h, which begin at EXIT_KINDS.
enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_KINDS, EXIT_UNREACHABLE = EXIT_KINDS + VANE_NR_KINDS - 1 };

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_XML };

struct vane {
    const char *socket;
    enum output output;
    unsigned count;             // -n
    bool take, force;           // --take, --force
    char **words;               // behind the command
    int nr_words;
};

struct command {
    const char *name, *words;   // as help shows them
    int min, max;
    const char *help;
    int (*run)(const struct vane *vane, const struct command *command);
    // What most commands are: a request, %s being the first word.
    const char *method, *path;
    const struct column *columns;
    const char *list;           // the member of the reply that is a list
    json_t *(*json)(char *text);    // of a reply that is text
};

struct column {
    const char *title, *member;
    int width;                  // below 0: to the left
};

extern const struct command commands[];
extern const char *const exit_texts[];

// request.c
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Sends, and prints why it failed; *reply is the JSON to json_decref(), NULL where it is none. The exit status.
int request(const struct vane *vane, const char *method, const char *path, const char *body, size_t size, char **text);
int request_json(const struct vane *vane, const char *method, const char *path, const json_t *body, json_t **reply);
char *encode(const char *word);
void print_json(const json_t *json);
void print_reply(const struct vane *vane, const json_t *reply, const struct column *columns, const char *list);

// commands.c
// The path of the table's row, which has one star or none, for the domain that the first word names.
const char *path_of(const struct vane *vane, const struct command *c, char path[512]);
int run_request(const struct vane *vane, const struct command *command);
// console.c
int run_console(const struct vane *vane, const struct command *command);
// local.c: what needs no vaned.
int run_store(const struct vane *vane, const struct command *command);
int run_schema(const struct vane *vane, const struct command *command);
// events.c
int run_events(const struct vane *vane, const struct command *command);
// top.c
int run_top(const struct vane *vane, const struct command *command);
// doctor.c
int run_doctor(const struct vane *vane, const struct command *command);
// text.c: replies that are text, taken apart.
json_t *lines_json(char *text);
json_t *metrics_json(char *text);
json_t *devices_json(char *text, const char *kinds);
// generate.c
void print_help(FILE *to);
int print_generated(const char *what);
