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

#include "lib/assert.h"
#include "mm/heap.h"
#include "public/errno.h"

#define WORDS_PER_PAGE     (PAGE_SIZE / sizeof(event_word_t))
#define MAX_PAGES          (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)
#define BIT_PENDING        (UINT32_C(1) << EVTCHN_FIFO_PENDING)
#define BIT_MASKED         (UINT32_C(1) << EVTCHN_FIFO_MASKED)
#define BIT_LINKED         (UINT32_C(1) << EVTCHN_FIFO_LINKED)
#define BIT_BUSY           (UINT32_C(1) << EVTCHN_FIFO_BUSY)
#define TRIES_BEFORE_BUSY  4u
#define MAX_TRIES          256u

struct evtchn_fifo_domain {
    struct spinlock lock;                /* LOCK_EVENT_QUEUE: tails of all queues, last_* of all ports */
    uint32_t nr_words;                   /* of which there are pages; grows only, read without lock */
    event_word_t *page[MAX_PAGES];
};

struct evtchn_fifo_vcpu {
    struct evtchn_fifo_control_block *control;    /* set once */
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];        /* port last put in; 0: none that is surely still in */
};

static event_word_t *event_word(const struct domain *d, uint32_t port)
{
    struct evtchn_fifo_domain *fifo = d->evtchn.fifo;
    uint32_t nr = load_acquire(&fifo->nr_words);

    if (unlikely(port >= nr))
        return NULL;
    port = clamp_index(port, nr);
    return &fifo->page[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

/*
 * Make the tail's word lead to `port`; false if the guest has taken the tail off meanwhile. BUSY asks an honest guest to
 * leave the word alone; one that never does gets its event at the head of a new queue.
 */
static bool link_behind(event_word_t *tail, uint32_t port)
{
    event_word_t old = READ_ONCE(*tail);

    for (unsigned i = 0; i < MAX_TRIES; i++) {
        event_word_t next = (old & ~(BIT_BUSY | (event_word_t)EVTCHN_FIFO_LINK_MASK)) | port;
        if (!(old & BIT_LINKED))
            break;
        if (try_cmpxchg32(tail, &old, next))
            return true;
        if (i == TRIES_BEFORE_BUSY)
            old = fetch_or32(tail, BIT_BUSY) | BIT_BUSY;
    }
    if (old & BIT_BUSY)
        (void)fetch_and32(tail, ~BIT_BUSY);
    return false;
}

/* A port that moves to another queue ends none any more. */
static void forget_last_queue(struct domain *d, const struct evtchn *chn)
{
    struct evtchn_fifo_vcpu *last = d->vcpu[chn->last_vcpu]->evtchn.fifo;

    if (last && last->tail[chn->last_priority] == chn->port)
        last->tail[chn->last_priority] = 0;
}

/* Put a port, whose LINKED bit we have set, at the end of its queue. True if the vCPU must be told. */
static bool enqueue(struct domain *d, struct vcpu *v, struct evtchn *chn)
{
    struct evtchn_fifo_vcpu *queues = v->evtchn.fifo;
    uint8_t priority = READ_ONCE(chn->priority);
    uint32_t tail;

    ASSERT_LOCKED(&d->evtchn.fifo->lock);
    forget_last_queue(d, chn);
    chn->last_vcpu = (uint16_t)v->id;
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
    struct vcpu *v = evtchn_target(d, chn);
    unsigned long flags;
    bool tell = false;

    flags = spin_lock_irqsave(&d->evtchn.fifo->lock);
    if (v->evtchn.fifo && v->evtchn.fifo->control && !(fetch_or32(word, BIT_LINKED) & BIT_LINKED))
        tell = enqueue(d, v, chn);
    spin_unlock_irqrestore(&d->evtchn.fifo->lock, flags);
    if (tell)
        evtchn_mark_upcall(v);
}

static void event_fifo_set_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);
    event_word_t old;

    if (unlikely(!word)) {
        (void)xchg8(&chn->is_raised, 1);
        /* The page may have come just now, and expand_array not have seen our mark. */
        word = event_word(d, chn->port);
        if (!word || !xchg8(&chn->is_raised, 0))
            return;
    }
    old = fetch_or32(word, BIT_PENDING);
    if (!(old & (BIT_MASKED | BIT_LINKED)))
        link_event(d, chn, word);
    if (!(old & BIT_PENDING))
        evtchn_check_pollers(d, chn->port);
}

static void event_fifo_clear_pending(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);

    (void)xchg8(&chn->is_raised, 0);
    if (word)
        (void)fetch_and32(word, ~BIT_PENDING);
}

static void event_fifo_unmask(struct domain *d, struct evtchn *chn)
{
    event_word_t *word = event_word(d, chn->port);

    if (word && (fetch_and32(word, ~BIT_MASKED) & (BIT_PENDING | BIT_LINKED)) == BIT_PENDING)
        link_event(d, chn, word);
}

static bool event_fifo_is_pending(struct domain *d, uint32_t port)
{
    event_word_t *word = event_word(d, port);

    return word && (READ_ONCE(*word) & BIT_PENDING);
}

static bool event_fifo_is_busy(struct domain *d, uint32_t port)
{
    event_word_t *word = event_word(d, port);

    return word && (READ_ONCE(*word) & BIT_LINKED);
}

const struct evtchn_port_ops evtchn_fifo_ops = {
    .nr_ports = EVTCHN_FIFO_NR_CHANNELS,
    .set_pending = event_fifo_set_pending,
    .clear_pending = event_fifo_clear_pending,
    .unmask = event_fifo_unmask,
    .is_pending = event_fifo_is_pending,
    .is_busy = event_fifo_is_busy,
};

/*
 * Ports that are pending in the bitmaps become pending here once their words exist. A sender that still uses the bitmaps
 * holds the lock of the port that it sends through: so having had that lock, we see its bit.
 */
static void take_over_pending(struct domain *d)
{
    for (uint32_t port = 1; port < d->evtchn.nr_ports && port < EVTCHN_2L_NR_CHANNELS; port++) {
        struct evtchn *chn = evtchn_lookup(d, port);
        struct evtchn *through = chn->state == EVTCHNSTAT_interdomain ? chn->u.remote.peer : chn;
        unsigned long flags = spin_lock_irqsave(&through->lock);
        if (evtchn_2l_ops.is_pending(d, port))
            (void)xchg8(&chn->is_raised, 1);
        spin_unlock_irqrestore(&through->lock, flags);
    }
}

static int use_fifo(struct domain *d)
{
    struct evtchn_fifo_domain *fifo = heap_new(struct evtchn_fifo_domain);

    if (!fifo)
        return -XEN_ENOMEM;
    spin_lock_init(&fifo->lock, LOCK_EVENT_QUEUE);
    d->evtchn.fifo = fifo;
    store_release(&d->evtchn.ops, &evtchn_fifo_ops);
    take_over_pending(d);
    return 0;
}

static int attach_control(struct domain *d, struct vcpu *v, const struct evtchn_init_control *op)
{
    struct evtchn_fifo_vcpu *queues;
    uint8_t *page;

    queues = heap_new(struct evtchn_fifo_vcpu);
    if (!queues)
        return -XEN_ENOMEM;
    page = domain_hold_page(d, op->control_gfn);
    if (!page) {
        heap_free(queues);
        return -XEN_EINVAL;
    }
    queues->control = (struct evtchn_fifo_control_block *)(void *)(page + op->offset);
    store_release(&v->evtchn.fifo, queues);
    return 0;
}

int evtchn_fifo_init_control(struct domain *d, struct vcpu *v, struct evtchn_init_control *op)
{
    int rc;

    ASSERT_LOCKED(&d->evtchn.lock);
    if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || op->offset % 8 || v->evtchn.fifo)
        return -XEN_EINVAL;
    op->link_bits = EVTCHN_FIFO_LINK_BITS;
    rc = attach_control(d, v, op);
    if (rc || d->evtchn.fifo)
        return rc;
    rc = use_fifo(d);
    if (rc) {
        domain_drop_page(d, v->evtchn.fifo->control);
        heap_free(v->evtchn.fifo);
        v->evtchn.fifo = NULL;
    }
    return rc;
}

static void deliver_raised(struct domain *d, uint32_t first, uint32_t end)
{
    for (uint32_t port = first; port < end && port < d->evtchn.nr_ports; port++) {
        struct evtchn *chn = evtchn_lookup(d, port);
        if (READ_ONCE(chn->is_raised) && xchg8(&chn->is_raised, 0))
            event_fifo_set_pending(d, chn);
    }
}

int evtchn_fifo_expand_array(struct domain *d, const struct evtchn_expand_array *op)
{
    struct evtchn_fifo_domain *fifo = d->evtchn.fifo;
    event_word_t *page;
    uint32_t first;

    ASSERT_LOCKED(&d->evtchn.lock);
    if (!fifo)
        return -XEN_EOPNOTSUPP;
    first = fifo->nr_words;
    if (first >= EVTCHN_FIFO_NR_CHANNELS)
        return -XEN_ENOSPC;
    page = domain_hold_page(d, op->array_gfn);
    if (!page)
        return -XEN_EINVAL;
    fifo->page[first / WORDS_PER_PAGE] = page;
    store_release(&fifo->nr_words, first + (uint32_t)WORDS_PER_PAGE);
    smp_mb();
    deliver_raised(d, first, first + (uint32_t)WORDS_PER_PAGE);
    return 0;
}

void evtchn_fifo_destroy(struct domain *d)
{
    struct evtchn_fifo_domain *fifo = d->evtchn.fifo;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct evtchn_fifo_vcpu *queues = d->vcpu[i] ? d->vcpu[i]->evtchn.fifo : NULL;
        if (!queues)
            continue;
        domain_drop_page(d, queues->control);
        d->vcpu[i]->evtchn.fifo = NULL;
        heap_free(queues);
    }
    if (!fifo)
        return;
    d->evtchn.ops = &evtchn_2l_ops;
    d->evtchn.fifo = NULL;
    for (uint32_t i = 0; i < fifo->nr_words / WORDS_PER_PAGE; i++)
        domain_drop_page(d, fifo->page[i]);
    heap_free(fifo);
}
