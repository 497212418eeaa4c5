// SPDX-License-Identifier: MIT
/*
 * FIFO delivery: the guest gives us pages of event words, one word for each port, and each vCPU a control block with the
 * heads of sixteen queues. A pending, unmasked port is put at the end of its queue: the word before it links to it. The
 * guest takes ports off the front by clearing LINKED in their words.
 *
 * All of that is guest memory, held by reference and writable type. What we must know to go on (the tail of each queue, and
 * where a port was last put) is kept here; a value read from the guest decides only which bits we write into the guest's
 * own words. The loops over a word that the guest may keep changing are bounded. One lock for each domain guards the queues.
 */
#include "core/event_internal.h"

#define WORDS_PER_PAGE     (PAGE_SIZE / sizeof(event_word_t))
#define MAX_PAGES          (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)
#define BIT_PENDING        (UINT32_C(1) << EVTCHN_FIFO_PENDING)
#define BIT_MASKED         (UINT32_C(1) << EVTCHN_FIFO_MASKED)
#define BIT_LINKED         (UINT32_C(1) << EVTCHN_FIFO_LINKED)
#define MAX_TRIES          256u

struct evtchn_fifo {
    struct spinlock lock;                /* LOCK_EVENT_QUEUE: tails of all queues, last_* of all ports */
    uint32_t nr_words;                   /* of which there are pages; grows only, read without lock */
    event_word_t *page[MAX_PAGES];
    struct fifo_queues {
        struct evtchn_fifo_control_block *control;    /* set once, by EVTCHNOP_init_control; NULL before */
        uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];        /* port last put in; 0: none that is surely still in */
    } queues[];                          /* of each vCPU */
};

static event_word_t *event_word(const struct domain *d, uint32_t port)
{
    struct evtchn_fifo *fifo = d->evtchn.fifo;
    uint32_t nr = load_acquire(&fifo->nr_words);

    if (unlikely(port >= nr))
        return NULL;
    port = clamp_index(port, nr);
    return &fifo->page[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

/*
 * Make the tail's word lead to `port`; false if the guest has taken the tail off meanwhile. A guest that changes the word
 * all the time gets its event at the head of a new queue.
 */
static bool link_behind(event_word_t *tail, uint32_t port)
{
    event_word_t old = READ_ONCE(*tail);

    for (unsigned i = 0; i < MAX_TRIES && old & BIT_LINKED; i++)
        if (try_cmpxchg32(tail, &old, (old & ~(event_word_t)EVTCHN_FIFO_LINK_MASK) | port))
            return true;
    return false;
}

/* Put a port, whose LINKED bit we have set, at the end of its queue. True if the vCPU must be told. */
static bool enqueue(struct domain *d, unsigned vcpu, struct evtchn *chn)
{
    struct evtchn_fifo *fifo = d->evtchn.fifo;
    struct fifo_queues *queues = &fifo->queues[vcpu];
    uint32_t *last_tail = &fifo->queues[chn->last_vcpu].tail[chn->last_priority];
    uint8_t priority = READ_ONCE(chn->priority);
    uint32_t tail;

    ASSERT_LOCKED(&fifo->lock);
    if (*last_tail == chn->port)         /* a port that moves to another queue ends none any more */
        *last_tail = 0;
    chn->last_vcpu = (uint16_t)vcpu;
    chn->last_priority = priority;
    tail = queues->tail[priority];
    queues->tail[priority] = chn->port;
    if (tail && link_behind(event_word(d, tail), chn->port))
        return false;
    WRITE_ONCE(queues->control->head[priority], chn->port);
    return !(fetch_or32(&queues->control->ready, UINT32_C(1) << priority) & (UINT32_C(1) << priority));
}

static void link_event(struct domain *d, struct evtchn *chn, event_word_t *word)
{
    struct evtchn_fifo *fifo = d->evtchn.fifo;
    struct vcpu *v = evtchn_target(d, chn);
    unsigned long flags = spin_lock_irqsave(&fifo->lock);
    bool tell = fifo->queues[v->id].control && !(fetch_or32(word, BIT_LINKED) & BIT_LINKED) && enqueue(d, v->id, chn);

    spin_unlock_irqrestore(&fifo->lock, flags);
    if (tell)
        evtchn_mark_upcall(v);
}

void evtchn_fifo_deliver(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);
    event_word_t old;

    if (unlikely(!word))
        return;                          /* the port is raised when its word comes */
    old = fetch_or32(word, BIT_PENDING);
    if (!(old & (BIT_MASKED | BIT_LINKED)))
        link_event(d, chn, word);
    if (!(old & BIT_PENDING))
        evtchn_check_pollers(d, chn->port);
}

void evtchn_fifo_clear_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);

    if (word)
        (void)fetch_and32(word, ~BIT_PENDING);
}

void evtchn_fifo_unmask(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);

    if (word && (fetch_and32(word, ~BIT_MASKED) & (BIT_PENDING | BIT_LINKED)) == BIT_PENDING)
        link_event(d, chn, word);
}

event_word_t evtchn_fifo_read(const struct domain *d, uint32_t port)
{
    event_word_t *word = event_word(d, port);

    return word ? READ_ONCE(*word) : 0;
}

static struct evtchn_fifo *use_fifo(struct domain *d)
{
    struct evtchn_fifo *fifo = heap_alloc(sizeof(*fifo) + d->max_vcpus * sizeof(fifo->queues[0]));

    if (!fifo)
        return NULL;
    spin_lock_init(&fifo->lock, LOCK_EVENT_QUEUE);
    store_release(&d->evtchn.fifo, fifo);
    return fifo;
}

/* The first one makes the domain use FIFO. */
int evtchn_fifo_init_control(struct evtchn_request *r, void *arg)
{
    struct evtchn_init_control *op = arg;
    struct evtchn_fifo *fifo = r->d->evtchn.fifo;
    uint8_t *page;

    if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || op->offset % 8 ||
        (fifo && fifo->queues[r->vcpu->id].control))
        return -XEN_EINVAL;
    page = domain_hold_page(r->d, op->control_gfn);
    if (!page)
        return -XEN_EINVAL;
    if (!fifo)
        fifo = use_fifo(r->d);
    if (!fifo) {
        domain_drop_page(page);
        return -XEN_ENOMEM;
    }
    WRITE_ONCE(fifo->queues[r->vcpu->id].control, (struct evtchn_fifo_control_block *)(void *)(page + op->offset));
    op->link_bits = EVTCHN_FIFO_LINK_BITS;
    return 0;
}

/*
 * A port that gets its word is raised: we do not note what was sent to it before, and one event too many is what a guest
 * must bear anyway (as after bind_interdomain). The lock is that of whoever sends to it: having had it, we know that he
 * has left the bitmaps, or sees the words.
 */
static void raise(struct domain *d, struct evtchn *chn)
{
    struct evtchn *through = chn->state == EVTCHNSTAT_interdomain ? chn->u.remote.peer : chn;
    unsigned long flags = spin_lock_irqsave(&through->lock);

    if (evtchn_is_open(chn))
        evtchn_fifo_deliver(d, chn);
    spin_unlock_irqrestore(&through->lock, flags);
}

int evtchn_fifo_expand_array(struct evtchn_request *r, void *arg)
{
    const struct evtchn_expand_array *op = arg;
    struct evtchn_fifo *fifo = r->d->evtchn.fifo;
    event_word_t *page;
    uint32_t first, end;

    if (!fifo)
        return -XEN_EOPNOTSUPP;
    first = fifo->nr_words;
    end = first + (uint32_t)WORDS_PER_PAGE;
    if (end > EVTCHN_FIFO_NR_CHANNELS)
        return -XEN_ENOSPC;
    page = domain_hold_page(r->d, op->array_gfn);
    if (!page)
        return -XEN_EINVAL;
    fifo->page[first / WORDS_PER_PAGE] = page;
    store_release(&fifo->nr_words, end);
    smp_mb();
    for (uint32_t port = first; port < end && port < r->d->evtchn.nr_ports; port++)
        raise(r->d, evtchn_lookup(r->d, port));
    return 0;
}

void evtchn_fifo_destroy(struct domain *d)
{
    struct evtchn_fifo *fifo = d->evtchn.fifo;

    if (!fifo)
        return;
    d->evtchn.fifo = NULL;
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (fifo->queues[i].control)
            domain_drop_page(fifo->queues[i].control);
    for (uint32_t i = 0; i < fifo->nr_words / WORDS_PER_PAGE; i++)
        domain_drop_page(fifo->page[i]);
    heap_free(fifo);
}
