// SPDX-License-Identifier: MIT
// Consoles of guests. What one says goes into the log of its name, with the time before each line, and to all who look on;
// the last of it is kept for who comes later. A guest that says more in a second than a disk should bear waits for the next.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vaned.h"

enum { HISTORY = 1 << 14, MAX_LOG = 1 << 20, MAX_PER_SECOND = 1 << 17, CHUNK = 2048, STAMP = 24, LOG_TEXT = 1 << 17,
       VIEWER_SIZE = 64, TYPIST_MS = 5000 };

struct talk {
    int log;                            // below 0: there is none
    size_t log_size;
    bool is_open, in_line, is_ready;
    uint64_t second;                    // in which the guest has said `heard` bytes
    size_t heard;
    uint64_t said, said_before;         // bytes in all, of which the last are in history; those before the start
    char typist[VIEWER_SIZE];           // the viewer that typed last; empty: none
    uint64_t typed_ms;
    char history[HISTORY];
};

static void log_path(const struct vaned *v, const char *name, const char *end, char path[512])
{
    snprintf(path, 512, "%.400s/%.80s.log%s", v->logs, name, end);
}

static void open_log(struct vaned *v, struct domain *d)
{
    struct stat stat;
    char path[512];

    log_path(v, d->def.name, "", path);
    (void)mkdir(v->logs, 0700);
    d->talk->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->talk->log < 0)
        log_line("%s: what it says cannot be kept in %s: %s", d->def.name, path, strerror(errno));
    d->talk->log_size = d->talk->log < 0 || fstat(d->talk->log, &stat) ? 0 : (size_t)stat.st_size;
}

static void close_log(struct talk *talk)
{
    if (talk->log >= 0)
        close(talk->log);
    talk->log = -1;
}

void console_listen(struct vaned *v, struct domain *d)
{
    struct vane_error error;

    if (!d->talk)
        d->talk = calloc(1, sizeof(*d->talk));
    if (!d->talk)
        return;
    if (host_console_open(v->host, d->id, &error)) {
        log_line("%s: its console is not listened to: %s", d->def.name, error.text);
        return;
    }
    d->talk->is_open = true;
    d->talk->in_line = d->talk->is_ready = false;
    d->talk->said_before = d->talk->said;
    open_log(v, d);
}

void console_leave(struct vaned *v, struct domain *d)
{
    if (!d->talk || !d->talk->is_open)
        return;
    console_drain(v, d);
    host_console_close(v->host, d->id);
    close_log(d->talk);
    d->talk->is_open = false;
    http_wake_streams(v);
}

void console_renamed(struct vaned *v, const struct domain *d, const char *old)
{
    char from[512], to[512];

    log_path(v, old, "", from);
    log_path(v, d->def.name, "", to);
    if (rename(from, to) && errno != ENOENT)
        log_line("%s: its log cannot be renamed to %s: %s", d->def.name, to, strerror(errno));
}

// Lines with the time before them; what a terminal would take for a command stays out.
static size_t stamp(struct talk *talk, const char *text, size_t size, char *out)
{
    time_t now = time(NULL);
    char when[STAMP];
    struct tm parts;
    size_t used = 0;

    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&now, &parts));
    for (size_t i = 0; i < size; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f)
            continue;
        if (!talk->in_line && text[i] != '\n')
            used += (size_t)sprintf(out + used, "%s", when);
        out[used++] = text[i];
        talk->in_line = text[i] != '\n';
    }
    return used;
}

static void keep(struct vaned *v, struct domain *d, const char *text, size_t size)
{
    static char out[CHUNK * (STAMP + 1)];
    char path[512], old[512];
    size_t used = stamp(d->talk, text, size, out);

    if (d->talk->log_size + used > MAX_LOG) {
        log_path(v, d->def.name, "", path);
        log_path(v, d->def.name, ".1", old);
        if (rename(path, old))
            (void)unlink(path);         // it must not grow for ever
        close_log(d->talk);
        open_log(v, d);
    }
    if (d->talk->log >= 0 && write(d->talk->log, out, used) == (ssize_t)used)
        d->talk->log_size += used;
}

bool console_is_ready(const struct domain *d)
{
    return d->talk && d->talk->is_ready;
}

// What it has said since its start ends with these words.
static bool ends_with(const struct talk *talk, const char *words, size_t length)
{
    if (talk->said - talk->said_before < length)
        return false;
    for (size_t i = 1; i <= length; i++)
        if (talk->history[(talk->said - i) % HISTORY] != words[length - i])
            return false;
    return true;
}

static void hear(struct vaned *v, struct domain *d, const char *text, size_t size)
{
    size_t length = d->def.ready_when ? strlen(d->def.ready_when) : 0;
    struct talk *talk = d->talk;

    for (size_t i = 0; i < size; i++) {
        talk->history[talk->said++ % HISTORY] = text[i];
        if (length && !talk->is_ready && ends_with(talk, d->def.ready_when, length)) {
            talk->is_ready = true;
            event_tell(v, d, "ready", NULL);
        }
    }
    talk->heard += size;
    keep(v, d, text, size);
    http_wake_streams(v);
}

static bool has_said_enough(struct vaned *v, struct talk *talk)
{
    uint64_t second = now_ms() / 1000;

    if (talk->second != second) {
        talk->second = second;
        talk->heard = 0;
    }
    if (talk->heard < MAX_PER_SECOND)
        return false;
    v->flooded_in = second;
    return true;
}

void console_drain(struct vaned *v, struct domain *d)
{
    struct vane_error error;
    char text[CHUNK];
    size_t length = 1;

    while (length && d->talk && d->talk->is_open && !has_said_enough(v, d->talk)) {
        if (host_console_read(v->host, d->id, text, sizeof(text), &length, &error)) {
            log_line("%s: its console is not listened to any more: %s", d->def.name, error.text);
            host_console_close(v->host, d->id);
            close_log(d->talk);
            d->talk->is_open = false;
            return;
        }
        hear(v, d, text, length);
    }
}

void consoles_run(struct vaned *v)
{
    bool all = v->flooded_in && v->flooded_in != now_ms() / 1000;
    unsigned ids[64], count = host_consoles_taken(v->host, ids, 64);

    if (all)
        v->flooded_in = 0;
    for (struct domain *d = v->domains; d && (all || count); d = d->next)
        for (unsigned i = 0; i < (all ? 1 : count); i++)
            if (all || ids[i] == d->id)
                console_drain(v, d);
}

// Until who has said too much is listened to again.
int consoles_timeout(const struct vaned *v)
{
    return v->flooded_in ? 1000 - (int)(now_ms() % 1000) : -1;
}

int console_after(struct vaned *v, const char *uuid, uint64_t *at, char **text, size_t *size)
{
    const struct domain *d = domain_by_uuid(v, uuid);
    uint64_t from;

    *size = 0;
    *text = NULL;
    if (!d || !d->talk)
        return -1;
    from = *at > d->talk->said ? 0 : *at;           // one of this UUID that was defined anew has said nothing yet
    if (d->talk->said - from > HISTORY)
        from = d->talk->said - HISTORY;
    if (from == d->talk->said)
        return d->talk->is_open ? 0 : -1;
    *text = malloc((size_t)(d->talk->said - from));
    if (!*text)
        return -1;
    for (; from != d->talk->said; from++)
        (*text)[(*size)++] = d->talk->history[from % HISTORY];
    *at = from;
    return 1;
}

// Until it looks on no more. It may type a moment before it is seen to.
const char *console_typist(const struct vaned *v, const struct domain *d)
{
    const struct talk *talk = d->talk;
    bool is_there = talk && talk->typist[0] && (now_ms() - talk->typed_ms < TYPIST_MS ||
                                                http_looks_on(v, d->def.uuid, talk->typist));

    return is_there ? talk->typist : NULL;
}

int console_say(struct vaned *v, struct domain *d, const struct typed *typed, size_t *taken, struct vane_error *error)
{
    const char *typist = console_typist(v, d);

    *taken = 0;
    if (!d->talk || !d->talk->is_open)
        return vane_fail(error, VANE_STATE, "%s is %s: nobody is at its console", d->def.name, phase_names[d->phase]);
    if (strlen(typed->viewer) >= VIEWER_SIZE)
        return vane_fail(error, VANE_INVALID, "viewer has a name of more than %d bytes: make it shorter", VIEWER_SIZE - 1);
    if (typist && strcmp(typist, typed->viewer) != 0 && typed->size && !typed->takes)
        return vane_fail(error, VANE_STATE, "%s types on the console of %s: look on, or take the keyboard with "
                         "`vane console --take %s`", typist, d->def.name, d->def.name);
    if (typed->takes || (typed->size && typed->viewer[0])) {
        strcpy(d->talk->typist, typed->viewer);
        d->talk->typed_ms = now_ms();
    }
    if (typed->leaves && strcmp(d->talk->typist, typed->viewer) == 0)
        d->talk->typist[0] = '\0';
    return host_console_write(v->host, d->id, typed->text, typed->size, taken, error);
}

// The end of a file goes in front of what is at text[*at] and behind.
static void read_end(const char *path, char *text, size_t *at)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat stat;
    size_t size;
    ssize_t r;

    if (fd >= 0 && fstat(fd, &stat) == 0) {
        size = (size_t)stat.st_size < *at ? (size_t)stat.st_size : *at;
        r = pread(fd, text + *at - size, size, stat.st_size - (off_t)size);
        if (r == (ssize_t)size)
            *at -= size;
    }
    if (fd >= 0)
        close(fd);
}

char *console_log(const struct vaned *v, const struct domain *d)
{
    char path[512], *text = malloc(LOG_TEXT + 1);
    size_t at = LOG_TEXT;

    if (!text)
        return NULL;
    text[LOG_TEXT] = '\0';
    log_path(v, d->def.name, "", path);
    read_end(path, text, &at);
    log_path(v, d->def.name, ".1", path);
    read_end(path, text, &at);
    memmove(text, text + at, LOG_TEXT + 1 - at);
    return text;
}
