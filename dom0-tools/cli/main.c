// SPDX-License-Identifier: MIT
// vane: options, and the command that they are for.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vane.h"

static int parse(struct vane *vane, int argc, char *argv[])
{
    static const struct option table[] = {
        { "socket", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
        { "take", no_argument, NULL, 't' },         { "generate", required_argument, NULL, 'g' },
        { "force", no_argument, NULL, 'f' },        { NULL, 0, NULL, 0 },
    };
    static const char *const outputs[] = { "table", "json", "xml" };
    int option;
    char *end;

    while ((option = getopt_long(argc, argv, "o:n:h", table, NULL)) != -1) {
        switch (option) {
        case 's': vane->socket = optarg; break;
        case 'h': print_help(stdout); exit(EXIT_DONE);
        case 'g': exit(print_generated(optarg));
        case 't': vane->take = true; break;
        case 'f': vane->force = true; break;
        case 'n':
            vane->count = (unsigned)strtoul(optarg, &end, 10);
            if (end == optarg || *end || vane->count == 0)
                return complain("-n %s is no number: say how often, 1 or more", optarg), EXIT_USAGE;
            break;
        case 'o':
            for (vane->output = 0; vane->output < 3 && strcmp(outputs[vane->output], optarg) != 0; vane->output++)
                ;
            if (vane->output == 3)
                return complain("-o %s is no output: use table, json or xml", optarg), EXIT_USAGE;
            break;
        default: return fprintf(stderr, "see `vane --help`\n"), EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

int main(int argc, char *argv[])
{
    struct vane vane = { .socket = getenv("VANED_SOCKET") };
    const struct command *c = commands;
    int rc;

    if (!vane.socket)
        vane.socket = "/run/vane/vaned.sock";
    rc = parse(&vane, argc, argv);
    if (rc)
        return rc;
    if (optind == argc)
        return print_help(stderr), EXIT_USAGE;
    while (c->name && strcmp(c->name, argv[optind]) != 0)
        c++;
    if (!c->name)
        return complain("there is no command %s: see `vane --help`", argv[optind]), EXIT_USAGE;
    if (vane.output == OUTPUT_XML && strcmp(c->name, "show") != 0)
        return complain("%s has no XML: use -o table or json", c->name), EXIT_USAGE;
    vane.words = argv + optind + 1;
    vane.nr_words = argc - optind - 1;
    if (vane.nr_words < c->min || vane.nr_words > c->max)
        return complain("usage: vane %s %s", c->name, c->words), EXIT_USAGE;
    return c->run(&vane, c);
}
