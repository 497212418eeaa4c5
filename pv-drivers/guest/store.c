// SPDX-License-Identifier: MIT
//
// The store, over the ring that the guest shares with it: one request at a time, and its answer awaited. Watch
// events that come between are only remembered: who asks looks at the nodes.
//
//   header { type, request, transaction 0, length } | payload: parts, each with a zero but the last of WRITE
#include "bus/store.h"

#include "guest/guest.h"
#include "public/errno.h"
#include "public/io/xs_wire.h"
#include "public/xen.h"

#define PATIENCE_NS 60000000000ull
#define TOKEN "kit"

static struct xenstore_domain_interface *ring;
static evtchn_port_t port;
static uint32_t last_request;
static bool is_broken, has_changed;

void store_init(const struct start_info *info)
{
    ring = page_of_mfn(info->store_mfn);
    port = info->store_evtchn;
    // A failure would only mean that changes wake nobody, and few ports were added before.
    (void)event_add(port);
}

static int break_off(const char *what)
{
    print("store: %s; the guest goes on without it\n", what);
    is_broken = true;
    return -XEN_EIO;
}

// Of `until`: for the whole of a request and its answer.
static int wait(uint64_t until)
{
    if (now_ns() >= until)
        return break_off("no answer within 60 seconds");
    event_wait(&port, 1, until);
    return 0;
}

// Writes what lies at `from` as requests, or reads responses to `to`; without either they are skipped.
static int transfer(const void *from, void *to, size_t size, uint64_t until)
{
    XENSTORE_RING_IDX *own = from ? &ring->req_prod : &ring->rsp_cons;
    const XENSTORE_RING_IDX *peer = from ? &ring->req_cons : &ring->rsp_prod;
    const char *in = from;
    char *out = to;
    int rc = 0;

    while (size && rc == 0) {
        uint32_t at = *own, begin = at;
        uint32_t ahead = __atomic_load_n(peer, __ATOMIC_ACQUIRE) - at;
        uint32_t nr = from ? XENSTORE_RING_SIZE + ahead : ahead;
        if (nr > XENSTORE_RING_SIZE)
            return break_off("the indices of its ring make no sense");
        for (; nr && size; nr--, size--, at++) {
            if (in)
                ring->req[MASK_XENSTORE_IDX(at)] = *in++;
            else if (out)
                *out++ = ring->rsp[MASK_XENSTORE_IDX(at)];
        }
        __atomic_store_n(own, at, __ATOMIC_RELEASE);
        // Responses may have filled the ring since we looked, and the other end sleep before it saw the store above.
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (from || __atomic_load_n(peer, __ATOMIC_RELAXED) - begin == XENSTORE_RING_SIZE)
            event_send(port);
        rc = size ? wait(until) : 0;
    }
    return rc;
}

static int error_of(const char *name)
{
    static const struct { const char *name; int error; } known[] = {
        { "ENOENT", XEN_ENOENT }, { "EEXIST", XEN_EEXIST }, { "EACCES", XEN_EACCES },
        { "EINVAL", XEN_EINVAL }, { "ENOSPC", XEN_ENOSPC }, { "E2BIG", XEN_E2BIG },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (memcmp(name, known[i].name, strlen(known[i].name) + 1) == 0)
            return -known[i].error;
    return -XEN_EIO;
}

// A message that has come: 1 if it answers the last request, and then `reply` holds it, with a zero behind.
static int take(const struct xsd_sockmsg *head, char *reply, size_t size, uint64_t until)
{
    bool is_answer = head->type != XS_WATCH_EVENT && head->req_id == last_request;
    size_t kept = is_answer && head->len < size ? head->len : 0;

    if (head->len > XENSTORE_PAYLOAD_MAX)
        return break_off("a message is longer than any may be");
    int rc = transfer(NULL, reply, kept, until);
    if (rc == 0) {
        reply[kept] = '\0';
        rc = transfer(NULL, NULL, head->len - kept, until);
    }
    has_changed |= head->type == XS_WATCH_EVENT;
    if (rc < 0 || !is_answer)
        return rc;
    if (head->type == XS_ERROR)
        return error_of(reply);
    return head->len < size ? 1 : -XEN_E2BIG;
}

// A request of two parts; `tail` NULL for one. The answer's length, or an error.
static int request(uint32_t type, const char *path, const char *tail, char *reply, size_t size)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    size_t tail_size = tail ? strlen(tail) + (type == XS_WATCH) : 0;
    struct xsd_sockmsg head = { .type = type, .req_id = ++last_request,
                                .len = (uint32_t)(strlen(path) + 1 + tail_size) };

    int rc = is_broken ? -XEN_EIO : transfer(&head, NULL, sizeof(head), until);
    if (rc == 0)
        rc = transfer(path, NULL, strlen(path) + 1, until);
    if (rc == 0)
        rc = transfer(tail, NULL, tail_size, until);
    while (rc == 0) {
        rc = transfer(NULL, &head, sizeof(head), until);
        if (rc == 0)
            rc = take(&head, reply, size, until);
    }
    return rc < 0 ? rc : (int)head.len;
}

bool store_changed(void)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    char none[1];

    while (!is_broken && ring->rsp_cons != __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) {
        struct xsd_sockmsg head;
        // Nothing was asked: what has come is an event, or the answer to what nobody waits for any more.
        if (transfer(NULL, &head, sizeof(head), until) == 0) {
            head.req_id = last_request + 1;
            (void)take(&head, none, sizeof(none), until);
        }
    }
    bool changed = has_changed;
    has_changed = false;
    return changed;
}

int store_list(const char *folder, char *names, size_t size)
{
    return request(XS_DIRECTORY, folder, NULL, names, size);
}

static int kit_read(struct store *s, const char *path, char *value, size_t size)
{
    (void)s;
    int rc = request(XS_READ, path, NULL, value, size);
    return rc < 0 ? rc : 0;
}

static int kit_write(struct store *s, const char *path, const char *value)
{
    char reply[16];

    (void)s;
    int rc = request(XS_WRITE, path, value, reply, sizeof(reply));
    return rc < 0 ? rc : 0;
}

static int kit_watch(struct store *s, const char *path)
{
    char reply[16];

    (void)s;
    int rc = request(XS_WATCH, path, TOKEN, reply, sizeof(reply));
    return rc == -XEN_EEXIST || rc > 0 ? 0 : rc;
}

static const struct store_ops kit_ops = {
    .read = kit_read,
    .write = kit_write,
    .watch = kit_watch,
};

struct store guest_store = { .ops = &kit_ops };
