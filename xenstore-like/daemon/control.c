// SPDX-License-Identifier: MIT
// CONTROL: what an administrator asks the daemon itself, as text. The words that Debian's xenstored knows
// mean the same here; there is more about quotas.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "persist.h"

enum { MAX_WORDS = 6 };

struct control {
    struct server *s;
    const char *words[MAX_WORDS];
    size_t count;               // of words behind the command
    struct buf *reply;
};

struct command {
    const char *name;
    int (*run)(struct control *c);
    const char *help;
};

int server_set_quota(struct server *s, const char *words[], size_t count)
{
    int kind = count >= 2 ? quota_find(words[count - 2]) : -1;
    uint32_t domid = NO_DOMID, limit;

    if (kind < 0 || count > 3 || wire_number(words[count - 1], UINT32_MAX, &limit) ||
        (count == 3 && wire_number(words[0], MAX_DOMID - 1, &domid)))
        return -EINVAL;
    if (count == 3) {
        struct account *account = quota_account(&s->store.quotas, (uint16_t)domid);

        account->has_limit[kind] = true;
        account->limit[kind] = limit;
    } else {
        s->store.quotas.limit[kind] = limit;
    }
    persist_quota(s, (uint16_t)domid, (enum quota)kind);
    return 0;
}

struct recount {
    uint32_t owned[MAX_DOMID + 1];
    size_t faults;
};

static void recount_below(struct recount *count, const struct node *n)
{
    const struct node *before = NULL;

    count->owned[perms_owner(n->perms)]++;
    for (size_t i = 0; i < node_nr_children(n); i++) {
        const struct node *child = node_child_at(n, i);

        count->faults += node_child(n, node_name(child), child->name_length) != child || child == before;
        recount_below(count, child);
        before = child;
    }
}

// Counts all nodes again: they are found under their names, and every account is right.
static int run_check(struct control *c)
{
    static struct recount recount;

    recount.faults = 0;
    recount_below(&recount, c->s->store.root);
    for (unsigned domid = 0; domid < c->s->store.quotas.nr_domids; domid++) {
        const struct account *account = c->s->store.quotas.accounts[domid];

        recount.faults += (account ? account->nodes : 0) != recount.owned[domid];
        recount.owned[domid] = 0;
    }
    if (recount.faults) {
        log_line("check: %zu faults in the tree or its accounts", recount.faults);
        return -EIO;
    }
    buf_print(c->reply, "OK");
    return 0;
}

static int run_log(struct control *c)
{
    if (c->count != 1 || (strcmp(c->words[1], "on") != 0 && strcmp(c->words[1], "off") != 0))
        return -EINVAL;
    log_requests = strcmp(c->words[1], "on") == 0;
    return 0;
}

static int run_print(struct control *c)
{
    if (c->count != 1)
        return -EINVAL;
    log_line("control: %s", c->words[1]);
    return 0;
}

static size_t count_list(const struct conn_list *list)
{
    const struct conn *c;
    size_t count = 0;

    LIST_FOREACH(c, list, link)
        count++;
    return count;
}

static int run_memreport(struct control *c)
{
    uint64_t nodes = 0;

    if (c->count)
        return -EINVAL;
    for (unsigned domid = 0; domid < c->s->store.quotas.nr_domids; domid++)
        nodes += c->s->store.quotas.accounts[domid] ? c->s->store.quotas.accounts[domid]->nodes : 0;
    buf_print(c->reply, "nodes %" PRIu64 "\nwatches %zu\nrings %zu\nsockets %zu\n", nodes, c->s->watches.nr_watches,
              count_list(&c->s->rings), count_list(&c->s->sockets));
    buf_print(c->reply, "requests %" PRIu64 "\nevents %" PRIu64 "\nevents-merged %" PRIu64 "\n", c->s->nr_requests,
              c->s->nr_events, c->s->nr_merged);
    buf_print(c->reply, "commits %" PRIu64 "\nconflicts %" PRIu64 "\njournal-bytes %zu\n", c->s->nr_commits,
              c->s->nr_conflicts, c->s->journal.fd >= 0 ? c->s->journal.end : 0);
    for (int i = 0; i < NR_QUOTAS; i++)
        buf_print(c->reply, "refused-%s %" PRIu64 "\n", quota_kinds[i].name, c->s->store.quotas.refused[i]);
    return 0;
}

static int show_limits(struct control *c)
{
    buf_print(c->reply, "Quota settings:\n");
    for (int i = 0; i < NR_QUOTAS; i++)
        buf_print(c->reply, "%-17s: %8" PRIu32 " %s\n", quota_kinds[i].name, c->s->store.quotas.limit[i],
                  quota_kinds[i].meaning);
    return 0;
}

static int show_domain(struct control *c)
{
    const struct account *account;
    uint32_t domid;

    if (wire_number(c->words[1], MAX_DOMID - 1, &domid))
        return -EINVAL;
    account = c->s->store.quotas.accounts[domid];
    if (!account)
        return -ENOENT;
    buf_print(c->reply, "Domain %" PRIu32 ":\nnodes            : %8" PRIu32 "\nwatches          : %8" PRIu32
              "\ntransactions     : %8" PRIu32 "\n", domid, account->nodes, account->watches,
              account->transactions);
    for (int i = 0; i < NR_QUOTAS; i++)
        buf_print(c->reply, "%-17s: limit %" PRIu32 "%s, refused %" PRIu64 "\n", quota_kinds[i].name,
                  quota_limit(&c->s->store.quotas, (uint16_t)domid, (enum quota)i),
                  account->has_limit[i] ? " (own)" : "", account->refused[i]);
    return 0;
}

static int run_quota(struct control *c)
{
    if (c->count == 0)
        return show_limits(c);
    if (c->count == 1)
        return show_domain(c);
    if (strcmp(c->words[1], c->count == 3 ? "set" : "set-domain") != 0)
        return -EINVAL;
    return server_set_quota(c->s, c->words + 2, c->count - 1);
}

static int run_help(struct control *c);

static const struct command commands[] = {
    { "check", run_check, "" },
    { "figures", run_memreport, "" },       // a word that xenstored does not know: it would write a log of its memory
    { "log", run_log, "on|off" },
    { "memreport", run_memreport, "" },
    { "print", run_print, "<string>" },
    { "quota", run_quota, "[<domid>|set <name> <limit>|set-domain <domid> <name> <limit>]" },
    { "help", run_help, "" },
};

static int run_help(struct control *c)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        buf_print(c->reply, "%s\t%s\n", commands[i].name, commands[i].help);
    return 0;
}

int control_command(struct server *s, const char *payload, size_t length, struct buf *reply)
{
    struct control c = { .s = s, .reply = reply };
    size_t rest, nr_words = wire_strings(payload, length, c.words, MAX_WORDS, &rest);

    for (size_t i = 0; nr_words && i < sizeof(commands) / sizeof(commands[0]); i++) {
        int rc;

        if (strcmp(commands[i].name, c.words[0]) != 0)
            continue;
        c.count = nr_words - 1;
        rc = commands[i].run(&c);
        if (rc == 0 && reply->length)
            buf_append(reply, "", 1);
        return rc;
    }
    return -EINVAL;
}
