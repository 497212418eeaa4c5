// SPDX-License-Identifier: MIT
//
// The life of a connection:
//
//   READING     until a whole request is in `request`; then its answer is decided
//   ANSWERING   head, then chunks of the file: read into `chunk`, given to lwIP, which copies
//   free        pcb is NULL, and no read of the disk is under way
//
// A client that is slow, says nonsense or sends more than it may costs its own connection. When all are
// taken, a new one replaces the one that has been waiting longest for a request, a second at least.
#include "guest/http/server.h"

#include "guest/http/request.h"
#include <lwip/tcp.h>

#define SECTOR 512u
#define REQUEST_NS 20000000000ull   // for all of a request, and between two
#define GRACE_NS 1000000000ull      // a new connection takes the place of one that has waited so long
#define STUCK_NS 60000000000ull     // without a byte acknowledged
#define POLL_INTERVAL 4u            // of lwIP's timer of 500 ms
#define BACKLOG 32u

struct connection {
    struct blk_front_io io;         // first: done() is called with it
    struct tcp_pcb *pcb;
    uint64_t since_ns;              // the last progress
    bool is_answering, is_reading, has_failed, is_ended;    // ended: the client sends no more
    struct http_request now;
    size_t nr_request, nr_looked_at;
    char request[TCP_WND];
    size_t nr_head, head_sent;
    char head[HTTP_MAX_HEAD + 128]; // with the body of an answer that is no file
    const struct tar_file *file;
    uint64_t read_to, chunk_from;   // bytes of the file: read or being read; where the chunk begins
    size_t nr_chunk, chunk_sent;
    uint8_t *chunk;
};

_Static_assert(TCP_WND >= HTTP_MAX_REQUEST + 2 * TCP_MSS, "a sender of whole segments gets to the limit");

static struct connection connections[SERVER_MAX_CONNECTIONS];
static struct guest_disk *the_disk;
static const struct tar *the_tar;
static uint64_t nr_answers, nr_refusals;    // refusals: what was not asked for properly, or is not there

// --- answers

static void answer_text(struct connection *c, unsigned status)
{
    char text[64];
    int size = format(text, sizeof(text), "%u %s\n", status, http_reason(status));

    c->nr_head = http_head(c->head, status, "text/plain; charset=utf-8", (uint64_t)size, c->now.keeps_alive);
    if (!c->now.is_head) {
        memcpy(c->head + c->nr_head, text, (size_t)size);
        c->nr_head += (size_t)size;
    }
}

static void begin_answer(struct connection *c)
{
    const struct tar_file *file = c->now.status == 200 ? tar_find(the_tar, c->now.path) : NULL;

    c->is_answering = true;
    nr_answers++;
    nr_refusals += !file;
    c->head_sent = c->nr_chunk = c->chunk_sent = 0;
    c->read_to = 0;
    c->file = c->now.is_head ? NULL : file;
    if (file)
        c->nr_head = http_head(c->head, 200, http_type(file->name), file->size, c->now.keeps_alive);
    else
        answer_text(c, c->now.status == 200 ? 404 : c->now.status);
}

static void end_answer(struct connection *c)
{
    c->is_answering = false;
    c->file = NULL;
    c->nr_request -= c->now.size;
    memmove(c->request, c->request + c->now.size, c->nr_request);
    c->nr_looked_at = 0;
    c->since_ns = now_ns();
    tcp_recved(c->pcb, (u16_t)c->now.size);
}

// Looked at only when more of it has come.
static bool has_request(struct connection *c)
{
    bool has_news = c->nr_looked_at < c->nr_request;

    c->nr_looked_at = c->nr_request;
    return has_news && http_parse(c->request, c->nr_request, &c->now);
}

// --- the disk

static void done(struct blk_front_io *io, int status)
{
    struct connection *c = (struct connection *)io;

    c->is_reading = false;
    c->has_failed |= status != BLKIF_RSP_OKAY;
    if (!c->pcb)
        return;
    uint64_t left = c->file->size - c->read_to;
    c->nr_chunk = left < SERVER_CHUNK ? (size_t)left : SERVER_CHUNK;
    c->chunk_sent = 0;
    c->read_to += c->nr_chunk;
}

static void read_chunk(struct connection *c)
{
    uint64_t left = c->file->size - c->read_to;
    uint64_t sectors = ((left < SERVER_CHUNK ? left : SERVER_CHUNK) + SECTOR - 1) / SECTOR;

    c->io = (struct blk_front_io){ .operation = BLKIF_OP_READ, .nr_sectors = sectors, .data = c->chunk,
                                   .sector = c->file->block + c->read_to / SECTOR, .done = done };
    // No room now: the next run tries again.
    c->is_reading = blk_front_submit(&the_disk->front, 0, &c->io) == 0;
}

// --- connections

// lwIP knows it no more.
static void forget(struct connection *c)
{
    tcp_arg(c->pcb, NULL);
    tcp_recv(c->pcb, NULL);
    tcp_sent(c->pcb, NULL);
    tcp_err(c->pcb, NULL);
    tcp_poll(c->pcb, NULL, 0);
    c->pcb = NULL;
}

static void close(struct connection *c)
{
    struct tcp_pcb *pcb = c->pcb;

    tcp_recved(pcb, (u16_t)c->nr_request);    // else its end would be a reset, and the answer perhaps lost
    forget(c);
    tcp_setprio(pcb, TCP_PRIO_MIN);           // a peer that never says good-bye keeps no place from others
    if (tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);    // it has no memory for a good-bye
}

static void drop(struct connection *c)
{
    struct tcp_pcb *pcb = c->pcb;

    forget(c);
    tcp_abort(pcb);
}

// Gives lwIP as much as it takes; how much that was.
static size_t give(struct connection *c, const void *data, size_t size)
{
    size_t room = tcp_sndbuf(c->pcb);
    size_t nr = size < room ? size : room;

    // No memory: it comes back as others' bytes are acknowledged.
    return nr && tcp_write(c->pcb, data, (u16_t)nr, TCP_WRITE_FLAG_COPY) == ERR_OK ? nr : 0;
}

// True when it has been given all of it.
static bool answer(struct connection *c)
{
    c->head_sent += give(c, c->head + c->head_sent, c->nr_head - c->head_sent);
    if (c->head_sent < c->nr_head || !c->file)
        return c->head_sent == c->nr_head;
    if (!c->is_reading)
        c->chunk_sent += give(c, c->chunk + c->chunk_sent, c->nr_chunk - c->chunk_sent);
    if (!c->is_reading && c->chunk_sent == c->nr_chunk && c->read_to < c->file->size)
        read_chunk(c);
    return !c->is_reading && c->chunk_sent == c->nr_chunk && c->read_to == c->file->size;
}

static void run(struct connection *c)
{
    // A head that promised more than the disk gives: only the end of the connection says so.
    if (c->has_failed) {
        drop(c);
        return;
    }
    while (c->is_answering || has_request(c)) {
        if (!c->is_answering)
            begin_answer(c);
        if (!answer(c))
            break;
        bool is_last = !c->now.keeps_alive;
        end_answer(c);
        if (is_last) {
            close(c);
            return;
        }
    }
    if (c->is_ended && !c->is_answering) {
        close(c);
        return;
    }
    (void)tcp_output(c->pcb);    // what it cannot send now its timer will
}

void server_run(void)
{
    for (unsigned i = 0; i < SERVER_MAX_CONNECTIONS; i++)
        if (connections[i].pcb)
            run(&connections[i]);
    blk_front_kick(&the_disk->front, 0);
}

void server_print(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < SERVER_MAX_CONNECTIONS; i++)
        nr += connections[i].pcb != NULL;
    print("http: %u connections, %lu answers, %lu of them refusals\n", nr, nr_answers, nr_refusals);
}

// --- what lwIP calls

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct connection *c = arg;
    size_t room = sizeof(c->request) - c->nr_request;

    (void)pcb;
    (void)error;
    if (!p) {
        c->is_ended = true;
        return ERR_OK;
    }
    // The window is as large as the buffer, and opens again as requests are answered: all of it fits.
    c->nr_request += pbuf_copy_partial(p, c->request + c->nr_request,
                                       (u16_t)(p->tot_len < room ? p->tot_len : room), 0);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    (void)pcb;
    (void)size;
    ((struct connection *)arg)->since_ns = now_ns();
    return ERR_OK;
}

static void on_error(void *arg, err_t error)
{
    (void)error;
    ((struct connection *)arg)->pcb = NULL;    // it is freed already
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    struct connection *c = arg;

    (void)pcb;
    // A disk whose back end is away is not the client's fault.
    if (c->is_reading || now_ns() - c->since_ns < (c->is_answering ? STUCK_NS : REQUEST_NS))
        return ERR_OK;
    drop(c);
    return ERR_ABRT;
}

// A free one; else the one that has waited longest for a request, or NULL.
static struct connection *find_place(void)
{
    struct connection *oldest = NULL;

    for (unsigned i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        if (!c->pcb && !c->is_reading)
            return c;
        if (c->pcb && !c->is_answering && (!oldest || c->since_ns < oldest->since_ns))
            oldest = c;
    }
    oldest = oldest && now_ns() - oldest->since_ns >= GRACE_NS ? oldest : NULL;
    if (oldest)
        drop(oldest);
    return oldest;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct connection *c = error == ERR_OK && pcb ? find_place() : NULL;

    (void)arg;
    if (!c)
        return ERR_MEM;    // lwIP ends it
    *c = (struct connection){ .pcb = pcb, .since_ns = now_ns(), .chunk = c->chunk };
    tcp_arg(pcb, c);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, POLL_INTERVAL);
    tcp_nagle_disable(pcb);
    return ERR_OK;
}

bool server_open(struct guest_disk *disk, const struct tar *tar, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new();

    the_disk = disk;
    the_tar = tar;
    for (unsigned i = 0; i < SERVER_MAX_CONNECTIONS; i++) {
        connections[i].chunk = pages_alloc(SERVER_CHUNK / PAGE_SIZE);
        if (!connections[i].chunk) {
            print("http: the guest has too little memory: 16 MiB are enough\n");
            return false;
        }
    }
    if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
        print("http: port %u cannot be used\n", port);
        return false;
    }
    pcb = tcp_listen_with_backlog(pcb, BACKLOG);
    if (pcb)
        tcp_accept(pcb, on_accept);
    return pcb != NULL;
}
