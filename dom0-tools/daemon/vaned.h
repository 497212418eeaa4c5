// SPDX-License-Identifier: MIT
// vaned, the one owner of this host's domains: its state, and what its parts offer each other. It is one thread
// around one epoll; an operation on a domain runs to its end before the next thing is looked at. Only the building of a
// domain, which takes long, is done by a second thread (builder.c); the domain is "starting" meanwhile.
//
// What must outlive it lies in two folders: definitions in `state` (/var/lib/vane), and what it was doing with each
// running domain in `run` (/run/vane), both written to a new file, synced and renamed. A start writes "starting"
// before it makes anything, and "running" after all is made: so who comes after a kill knows what to undo. It also says why
// something is started that nobody waits for an answer of, a guest's reboot even before its end: that start is not lost.
#pragma once

#include <jansson.h>

#include "host.h"

enum phase { PHASE_OFF, PHASE_STARTING, PHASE_RUNNING, PHASE_ENDING, PHASE_KEPT, NR_PHASES };

enum why { WHY_ASKED, WHY_RESTART, WHY_HOST, NR_WHYS };

struct talk;
struct plug;

struct domain {
    struct domain *next;
    struct definition def;
    bool is_persistent, is_paused;
    bool is_unwanted;                   // it was destroyed while it was starting
    bool is_passed;                     // it was started or ended, by whomever: the host's start does not come (back) to it
    enum phase phase;
    enum why why;                       // it starts, or will when it has ended; where it runs, or is off for good: WHY_ASKED
    unsigned id;                        // where it is not off
    unsigned nr_quick_ends;             // ends within seconds of a start, one after the other
    enum host_end end;                  // the last, where has_ended
    bool has_ended;                     // since vaned or the host was started
    char last_end[16];                  // why its guest ended last, and when: kept on disk; empty: it has not
    int64_t last_end_time;
    uint64_t started_ms, phase_ns[HOST_NR_PHASES];
    uint64_t again_ms;                  // when an end that did not get done is tried again
    uint64_t wait_ms;                   // until when the ends of its back ends are waited for
    struct host_domain seen;            // as the hypervisor said last
    struct backend *backends;           // the processes that serve its devices
    struct plug *plug;                  // the device that is being attached or detached, for whom somebody waits; NULL: none
    struct talk *talk;                  // of its console; NULL: nobody has listened yet
};

struct event {
    uint64_t id;
    char *text;                         // of JSON
};

enum { MAX_EVENTS = 256 };

struct stream;
struct waiter;
struct builder;
struct MHD_Daemon;

struct vaned {
    const char *socket, *state, *run, *logs, *devices;
    struct host *host;
    struct domain *domains;             // in the order of their names
    int epoll, listener;
    struct MHD_Daemon *http;
    struct stream *streams;
    struct waiter *waiters;             // requests that are answered when a start is over
    struct builder *builder;
    struct event events[MAX_EVENTS];
    uint64_t next_event;
    bool wakes;                 // events have come that streams wait for
    uint64_t flooded_in;        // the second in which a guest has said too much; 0: none has
    uint64_t nr_requests, nr_refused;
    bool stop;
    bool is_starting;                   // autostart is under way
    bool autostart;                     // it may be, or go on from a vaned before this one
    char awaited[37];                   // the UUID of the domain that must be ready before it goes on; empty: none
};

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ms(void);

// domains.c: who there is, on disk and in memory.
int domains_load(struct vaned *v, struct vane_error *error);
void domains_free(struct vaned *v);
// By name or UUID; VANE_NOT_FOUND.
int domain_find(struct vaned *v, const char *name, struct domain **d, struct vane_error *error);
// Where a UUID is meant; NULL: there is none of it.
struct domain *domain_by_uuid(struct vaned *v, const char *uuid);
// Takes the definition over. An existing domain of its name and UUID gets it as its new one.
int domain_define(struct vaned *v, struct definition *def, bool persistent, struct domain **d, struct vane_error *error);
int domain_save(struct vaned *v, const struct domain *d, struct vane_error *error);
int domain_forget(struct vaned *v, struct domain *d, struct vane_error *error);
int domain_save_phase(struct vaned *v, struct domain *d, enum phase phase, struct vane_error *error);
// Why its guest has ended, for all to see, from now on and later.
void domain_note_end(struct vaned *v, struct domain *d, const char *reason);
void domain_sort(struct vaned *v, struct domain *d);
extern const char *const phase_names[NR_PHASES];

// admission.c: whether there is memory for it.
int domain_admit(struct vaned *v, const struct domain *d, struct vane_error *error);

// builder.c: the thread that builds.
struct job {
    struct job *next;
    struct definition def;
    unsigned id;                        // of what was built, where rc is 0
    uint64_t phase_ns[HOST_NR_PHASES];
    int rc;
    struct vane_error error;
};
int builder_open(struct vaned *v, struct vane_error *error);
void builder_stop(struct vaned *v);
void builder_free(struct vaned *v);
int builder_add(struct vaned *v, const struct domain *d, struct vane_error *error);
// Gives its job back if it waits still; what is being built comes back by itself.
void builder_drop(struct vaned *v, const char *uuid);
// One that is done, to job_free(); NULL: none is.
struct job *builder_take(struct vaned *v);
void job_free(struct job *job);

// life.c: what domains go through.
// Begins a start: when it is over http_start_over() tells how it went.
int domain_start(struct vaned *v, struct domain *d, struct vane_error *error);
int domain_stop(struct vaned *v, struct domain *d, const char *event, struct vane_error *error);
int domain_act(struct vaned *v, struct domain *d, const char *action, struct vane_error *error);
bool domain_runs(const struct domain *d);
bool domains_start(const struct vaned *v);      // any of them
// Ends one that is starting, as soon as that can be: http_start_over() tells.
void domain_cancel(struct vaned *v, struct domain *d);
// Goes on with what was built, up to where its disks must be served.
void life_built(struct vaned *v);
// Lets one run whose disks are served, or not (rc).
void life_served(struct vaned *v, struct domain *d, int rc, struct vane_error *error);
// Before vaned ends: waits for what is being built, and lets be what is not.
void life_finish(struct vaned *v);
// Looks at all of the hypervisor's domains, when there is reason to: ends, figures.
void life_check(struct vaned *v);
// Ends what could not be ended before.
void life_again(struct vaned *v);
// In how many milliseconds that has to be called at the latest; below 0: it need not be.
int life_timeout(const struct vaned *v);
// After a start of vaned, before what follows: whether the host's start is still under way, and what it has been to already.
void life_boot(struct vaned *v, bool autostart);
// Finishes or undoes what a vaned before this one was at.
int life_recover(struct vaned *v, struct vane_error *error);
// Starts the next domain of those that start with the host. Returns in how many milliseconds it is to be called again at the
// latest, below 0 when none is left.
int life_autostart(struct vaned *v);

// change.c: an object of fields and their new values.
int domain_change(struct vaned *v, struct domain *d, json_t *changes, struct vane_error *error);

// consoles.c: what guests say. A domain is listened to from its start to its end; what is missing does not keep it from running.
void console_listen(struct vaned *v, struct domain *d);
void console_drain(struct vaned *v, struct domain *d);
void console_leave(struct vaned *v, struct domain *d);
bool console_is_ready(const struct domain *d);
void console_renamed(struct vaned *v, const struct domain *d, const char *old);
void consoles_run(struct vaned *v);
int consoles_timeout(const struct vaned *v);
// What came behind position *at, which moves: 1; 0 when there is nothing yet, below 0 when nothing will come any more.
int console_after(struct vaned *v, const char *uuid, uint64_t *at, char **text, size_t *size);
// Many look on, one types: who did first, while it looks on, or who takes the keyboard. A viewer is a name that it has given
// itself; one without a name (it is empty) types only while nobody has the keyboard.
struct typed {
    const char *viewer, *text;
    size_t size;
    bool takes, leaves;
};
int console_say(struct vaned *v, struct domain *d, const struct typed *typed, size_t *taken, struct vane_error *error);
const char *console_typist(const struct vaned *v, const struct domain *d);      // NULL: nobody
// The end of its log; the caller's to free.
char *console_log(const struct vaned *v, const struct domain *d);

// backends.c: the processes that serve devices. A domain that was built gets its own, and starts when they serve
// (life_served()); a domain that ends loses them first. One that runs already keeps those that it has.
int backends_start(struct vaned *v, struct domain *d, struct vane_error *error);
void backends_find(struct vaned *v, struct domain *d);
void backends_stop(struct vaned *v, struct domain *d);
void backends_forget(struct domain *d);
// served.c: what they have counted since the domain's start; false: nothing is known of this device.
struct disk_figures { uint64_t reads, writes, flushes, discards, read_bytes, written_bytes, errors, invalid, limited; };
bool disk_counted(const struct vaned *v, const struct domain *d, const struct disk *disk, struct disk_figures *figures);
bool nic_counted(const struct vaned *v, const struct domain *d, unsigned index, struct nic_figures *figures);
// Its MAC, and the addresses that its guest was seen to use, where that is known.
json_t *nic_json(const struct vaned *v, const struct domain *d, unsigned index);
void backends_run(struct vaned *v);
int backends_timeout(const struct vaned *v);

// plug.c: devices of domains that run, and their definitions; `list` is "disks" or "nics". Where they leave d->plug behind it is
// not done yet, and http_plug_over() tells how it went.
int domain_attach(struct vaned *v, struct domain *d, const char *list, json_t *fields, struct vane_error *error);
int domain_detach(struct vaned *v, struct domain *d, const char *list, const char *name, bool force, struct vane_error *error);
// It has been defined again: devices that leave are not to take what is there now of their names with them.
void plug_defined(struct vaned *v, struct domain *d);
int domain_resize(struct vaned *v, struct domain *d, const char *target, uint64_t kib, struct vane_error *error);
// Before vaned ends: nobody is to wait any more.
void plugs_finish(struct vaned *v);

// devices.c: what of disks and NICs can be served.
int devices_check(const struct definition *d, struct vane_error *error);
// None of its NICs has the address of another domain's on the same bridge.
int devices_check_others(const struct vaned *v, const struct definition *d, struct vane_error *error);

// events.c
void event_tell(struct vaned *v, const struct domain *d, const char *event, const char *detail);
const struct event *event_after(const struct vaned *v, uint64_t id);

// http.c: requests in, replies out.
struct reply {
    int status;
    const char *type;
    char *text;                         // the reply's own
    bool is_stream;                     // of events, from `after` on, or of what the domain `console` (its UUID) says
    uint64_t after;
    const char *console, *viewer;
    enum { WAITS_NOT, WAITS_START, WAITS_END, WAITS_PLUG } waits;     // until the start of the domain `uuid` is over, or it is
                                        // ended for that, or its device has come or gone
    char uuid[37];
    json_t *also;                       // to be shown with the domain then
};

struct route;

struct request {
    struct vaned *v;
    const struct route *route;
    const char *part[4];                // what the {steps} of the route matched
    const char *body;
    size_t body_size;
    const char *(*query)(const struct request *r, const char *name);
    void *connection;
    struct reply reply;
};

struct route {
    const char *method, *path, *summary;    // a {step} of the path takes any; see request.part
    int (*handle)(struct request *r, struct vane_error *error);
    // For the API's description: the query's names with blanks between, types of the body (NULL: none) and of the reply (NULL:
    // JSON).
    const char *queries, *takes, *gives;
};

extern const struct route routes[];     // up to the one without a method

int http_open(struct vaned *v, struct vane_error *error);
void http_close(struct vaned *v);
void http_run(struct vaned *v);
int http_timeout(struct vaned *v);
void http_wake_streams(struct vaned *v);
// How a start went, and the end of a domain that was destroyed in it.
void http_start_over(struct vaned *v, const char *uuid, int start, const struct vane_error *start_error, int end,
                     const struct vane_error *end_error);
void http_plug_over(struct vaned *v, const char *uuid, int rc, const struct vane_error *error);
bool http_looks_on(const struct vaned *v, const char *uuid, const char *viewer);

// metrics.c
char *metrics_text(struct vaned *v);
// api.c: a domain whose start is over, and members of `also` (taken; it may be NULL).
int show_again(struct request *r, const char *uuid, json_t *also, struct vane_error *error);
char *openapi_text(void);
