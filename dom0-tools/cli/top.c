// SPDX-License-Identifier: MIT
// vane top: what domains, and dom0, use in a second: CPU time, memory, disks, NICs. The busiest first.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vane.h"

// What a domain has used up so far, and what that is called as a rate; the factor makes it one.
static const struct { const char *total, *rate; double factor; } rates[] = {
    { "cpu_seconds", "cpu_percent", 100 }, { "disk_read_bytes", "disk_read_kib_per_second", 1.0 / 1024 },
    { "disk_written_bytes", "disk_written_kib_per_second", 1.0 / 1024 },
    { "nic_received_bytes", "nic_received_kib_per_second", 1.0 / 1024 },
    { "nic_sent_bytes", "nic_sent_kib_per_second", 1.0 / 1024 },
};

struct look {
    json_t *host, *domains;
    double seconds;             // when
};

static void drop(struct look *look)
{
    json_decref(look->host);
    json_decref(look->domains);
}

// dom0 as a row of the table like the others.
static void add_dom0(struct look *look)
{
    json_t *dom0 = json_pack("{ss ss ss si sO* sO* sO*}", "name", "dom0", "uuid", "dom0", "state", "running", "id", 0, "cpu_seconds",
                             json_object_get(look->host, "dom0_cpu_seconds"), "memory_kib",
                             json_object_get(look->host, "dom0_memory_kib"), "vcpus", json_object_get(look->host, "dom0_vcpus"));

    json_array_insert_new(json_object_get(look->domains, "domains"), 0, dom0);
}

static int take(const struct vane *vane, const struct command *c, struct look *look)
{
    struct timespec now;
    int rc = request_json(vane, "GET", "/v1/host", NULL, &look->host);

    look->domains = NULL;
    if (rc == EXIT_DONE)
        rc = request_json(vane, c->method, c->path, NULL, &look->domains);
    clock_gettime(CLOCK_MONOTONIC, &now);
    look->seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    if (rc == EXIT_DONE)
        add_dom0(look);
    return rc;
}

// The same run of the same domain; NULL: there was none.
static json_t *same(const struct look *look, const json_t *d)
{
    size_t i;
    json_t *other;

    json_array_foreach(json_object_get(look->domains, "domains"), i, other)
        if (json_equal(json_object_get(other, "uuid"), json_object_get(d, "uuid")) &&
            json_equal(json_object_get(other, "id"), json_object_get(d, "id")))
            return other;
    return NULL;
}

// Rates are there only where both looks saw the domain.
static void add_rates(const struct look *before, struct look *now)
{
    double elapsed = now->seconds - before->seconds;
    size_t at;
    json_t *d;

    json_array_foreach(json_object_get(now->domains, "domains"), at, d) {
        json_t *old = same(before, d);

        for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]) && elapsed > 0; i++) {
            json_t *from = json_object_get(old, rates[i].total), *to = json_object_get(d, rates[i].total);
            double used = json_number_value(to) - json_number_value(from);

            if (from && to && used >= 0)
                json_object_set_new(d, rates[i].rate, json_real(used / elapsed * rates[i].factor));
        }
    }
}

static double percent(const json_t *d)
{
    return json_number_value(json_object_get(d, "cpu_percent"));
}

static int by_use(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

    if (percent(x) != percent(y))
        return percent(x) < percent(y) ? 1 : -1;
    return strcmp(json_string_value(json_object_get(x, "name")), json_string_value(json_object_get(y, "name")));
}

static void sort(struct look *look)
{
    json_t *all = json_object_get(look->domains, "domains"), **rows;
    size_t count = json_array_size(all);

    rows = calloc(count, sizeof(*rows));
    for (size_t i = 0; rows && i < count; i++)
        rows[i] = json_incref(json_array_get(all, i));
    if (rows)
        qsort(rows, count, sizeof(*rows), by_use);
    for (size_t i = 0; rows && i < count; i++)
        json_array_set_new(all, i, rows[i]);
    free(rows);
}

static void print_summary(const struct look *look)
{
    json_int_t cpus = json_integer_value(json_object_get(look->host, "cpus"));
    time_t now = time(NULL);
    double used = 0;
    char when[16];
    size_t i;
    json_t *d;

    json_array_foreach(json_object_get(look->domains, "domains"), i, d)
        used += percent(d);
    strftime(when, sizeof(when), "%H:%M:%S", localtime(&now));
    printf("%s  %d of %zu domains run; %d CPUs, %.0f %% busy; %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " MiB free\n", when,
           (int)json_integer_value(json_object_get(look->host, "running")), i - 1, (int)cpus, cpus ? used / (double)cpus : 0,
           json_integer_value(json_object_get(look->host, "free_kib")) / 1024,
           json_integer_value(json_object_get(look->host, "memory_kib")) / 1024);
}

static void show(const struct vane *vane, const struct command *c, struct look *look, bool on_screen)
{
    sort(look);
    if (vane->output == OUTPUT_JSON)
        json_object_set(look->domains, "host", look->host);
    else if (on_screen)
        fputs("\033[H\033[2J", stdout);
    if (vane->output != OUTPUT_JSON)
        print_summary(look);
    print_reply(vane, look->domains, c->columns, c->list);
    fflush(stdout);
}

// As often as -n says; else on a terminal until it is interrupted, and once elsewhere.
int run_top(const struct vane *vane, const struct command *c)
{
    bool for_ever = !vane->count && isatty(STDOUT_FILENO) && vane->output != OUTPUT_JSON;
    struct look before, now;
    int rc = take(vane, c, &before);

    for (unsigned i = 0; rc == EXIT_DONE && (for_ever || i < (vane->count ? vane->count : 1)); i++) {
        sleep(1);
        rc = take(vane, c, &now);
        if (rc == EXIT_DONE) {
            add_rates(&before, &now);
            show(vane, c, &now, for_ever);
        }
        drop(&before);
        before = now;
    }
    drop(&before);
    return rc;
}
