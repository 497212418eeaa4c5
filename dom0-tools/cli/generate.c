// SPDX-License-Identifier: MIT
// Help, the man page and bash completion, out of the table of commands.
#include <stdio.h>
#include <string.h>

#include "vane.h"

const char *const exit_texts[EXIT_UNREACHABLE + 2] = {
    [EXIT_DONE] = "done",
    [EXIT_FAILED] = "it failed in a way that has no number of its own",
    [EXIT_USAGE] = "the command line cannot be understood",
    [EXIT_KINDS + VANE_INVALID - 1] = "what was asked for makes no sense, or a definition is wrong",
    [EXIT_KINDS + VANE_NOT_FOUND - 1] = "there is no such domain or file",
    [EXIT_KINDS + VANE_EXISTS - 1] = "the name or the UUID is taken",
    [EXIT_KINDS + VANE_STATE - 1] = "the domain is not in a state for this",
    [EXIT_KINDS + VANE_NO_RESOURCE - 1] = "memory or another resource is used up",
    [EXIT_KINDS + VANE_DENIED - 1] = "it is not permitted",
    [EXIT_KINDS + VANE_UNSUPPORTED - 1] = "this host cannot do it",
    [EXIT_KINDS + VANE_TIMEOUT - 1] = "somebody did not answer in time",
    [EXIT_KINDS + VANE_SYSTEM - 1] = "the system refused",
    [EXIT_UNREACHABLE] = "vaned cannot be reached",
};

static const struct { const char *words, *help; } options[] = {
    { "-o table|json|xml", "how to print: tables for people, json for programs; xml is for show" },
    { "-n COUNT", "how often, for top; how many of the past, for events" },
    { "--take", "with console: have the keyboard, whoever has it now" },
    { "--force", "with detach: do not wait for the guest to let go" },
    { "--socket PATH", "where vaned listens (default $VANED_SOCKET, or /run/vane/vaned.sock)" },
    { "--help", "this text" },
};

void print_help(FILE *to)
{
    fputs("usage: vane [OPTION...] COMMAND [WORD...]\n\n", to);
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "  %-10s %-28s %s\n", c->name, c->words, c->help);
    fputc('\n', to);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        fprintf(to, "  %-22s %s\n", options[i].words, options[i].help);
    fputs("\nExit status:\n", to);
    for (int i = 0; i <= EXIT_UNREACHABLE; i++)
        fprintf(to, "  %2d  %s\n", i, exit_texts[i]);
}

static void print_man(void)
{
    puts(".TH VANE 1\n.SH NAME\nvane \\- domains of this host, from the command line\n.SH SYNOPSIS\n"
         ".B vane\n[OPTION...] COMMAND [WORD...]\n.SH COMMANDS");
    for (const struct command *c = commands; c->name; c++)
        printf(".TP\n.B %s %s\n%s\n", c->name, c->words, c->help);
    puts(".SH OPTIONS");
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        printf(".TP\n.B \\%s\n%s\n", options[i].words, options[i].help);
    puts(".SH EXIT STATUS");
    for (int i = 0; i <= EXIT_UNREACHABLE; i++)
        printf(".TP\n.B %d\n%s\n", i, exit_texts[i]);
}

// Of ls|read|... the words with blanks between.
static void print_choices(const char *words)
{
    for (; *words && *words != ' '; words++)
        putchar(*words == '|' ? ' ' : *words);
}

// Names of domains where a command wants one, files where it wants one of these, and choices.
static void print_completion(void)
{
    puts("_vane() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    printf("        COMPREPLY=($(compgen -W '");
    for (const struct command *c = commands; c->name; c++)
        printf("%s%s", c == commands ? "" : " ", c->name);
    puts("' -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in");
    for (const struct command *c = commands; c->name; c++) {
        if (strncmp(c->words, "NAME", 4) == 0 || strcmp(c->words, "FILE") == 0)
            printf("    %s) COMPREPLY=($(compgen %s -- \"$word\")) ;;\n", c->name, c->words[0] == 'F' ? "-f" :
                   "-W \"$(vane list 2>/dev/null | awk 'NR > 1 { print $1 }')\"");
        else if (strcspn(c->words, "|") < strcspn(c->words, " ")) {
            printf("    %s) COMPREPLY=($(compgen -W '", c->name);
            print_choices(c->words);
            puts("' -- \"$word\")) ;;");
        }
    }
    puts("    esac\n}\ncomplete -F _vane vane");
}

int print_generated(const char *what)
{
    if (strcmp(what, "man") == 0)
        print_man();
    else if (strcmp(what, "completion") == 0)
        print_completion();
    else
        return EXIT_USAGE;
    return EXIT_DONE;
}
