// SPDX-License-Identifier: MIT
// Building takes seconds (a kernel to unpack, memory to clear), in which others want answers: so a thread builds, one
// domain after the other in the order of their starts. It has a connection to the machine of its own and a copy of the
// definition, and touches nothing else of vaned's; jobs go to it and come back under one lock. It never logs, and what
// becomes of the domain's phase, also on disk, is the loop's (life.c).
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vaned.h"

struct builder {
    struct host *host;                  // the thread's
    pthread_t thread;
    pthread_cond_t wanted;
    int done_fd;                        // readable when there are jobs in `done`
    pthread_mutex_t lock;
    struct job *queue, *done;           // under the lock, as are these
    bool is_busy, stop;
};

static void append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

static struct job *take_first(struct job **list)
{
    struct job *job = *list;

    if (job)
        *list = job->next;
    return job;
}

// Under the lock.
static void finish(struct builder *b, struct job *job)
{
    append(&b->done, job);
    (void)eventfd_write(b->done_fd, 1);
}

static void *work(void *arg)
{
    struct builder *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        struct job *job = take_first(&b->queue);

        if (!job) {
            pthread_cond_wait(&b->wanted, &b->lock);
            continue;
        }
        b->is_busy = true;
        pthread_mutex_unlock(&b->lock);
        job->rc = host_build(b->host, &job->def, &job->id, job->phase_ns, &job->error);
        pthread_mutex_lock(&b->lock);
        b->is_busy = false;
        finish(b, job);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

// Signals are blocked already, and so stay the loop's.
int builder_open(struct vaned *v, struct vane_error *error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &v->builder };
    struct builder *b = calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return vane_fail(error, VANE_NO_RESOURCE, "there is no memory to begin with");
    v->builder = b;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wanted, NULL);
    b->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (b->done_fd < 0 || epoll_ctl(v->epoll, EPOLL_CTL_ADD, b->done_fd, &event))
        return vane_fail_errno(error, errno, "the end of a build cannot be waited for");
    rc = host_open_builder(&b->host, v->devices, error);
    if (rc)
        return rc;
    rc = pthread_create(&b->thread, NULL, work, b);
    return rc ? vane_fail_errno(error, rc, "there is no thread to build domains") : 0;
}

// What is being built is waited for, what waits is given back.
void builder_stop(struct vaned *v)
{
    struct builder *b = v->builder;
    struct job *job;

    pthread_mutex_lock(&b->lock);
    b->stop = true;
    if (b->is_busy)
        log_line("a domain is being built, and its end is waited for");
    pthread_cond_signal(&b->wanted);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    while ((job = take_first(&b->queue))) {
        job->rc = vane_fail(&job->error, VANE_STATE, "vaned was stopped before it built %s: start it again", job->def.name);
        append(&b->done, job);
    }
}

void builder_free(struct vaned *v)
{
    struct builder *b = v->builder;

    host_close(b->host);
    close(b->done_fd);
    pthread_cond_destroy(&b->wanted);
    pthread_mutex_destroy(&b->lock);
    free(b);
    v->builder = NULL;
}

int builder_add(struct vaned *v, const struct domain *d, struct vane_error *error)
{
    struct job *job = calloc(1, sizeof(*job));
    struct builder *b = v->builder;
    int rc = job ? definition_copy(&d->def, &job->def, error)
                 : vane_fail(error, VANE_NO_RESOURCE, "there is no memory to start %s", d->def.name);

    if (rc) {
        job_free(job);
        return rc;
    }
    pthread_mutex_lock(&b->lock);
    if (b->stop)
        rc = vane_fail(error, VANE_STATE, "vaned is being stopped: start %s again when it runs", d->def.name);
    else
        append(&b->queue, job);
    pthread_cond_signal(&b->wanted);
    pthread_mutex_unlock(&b->lock);
    if (rc)
        job_free(job);
    return rc;
}

void builder_drop(struct vaned *v, const char *uuid)
{
    struct builder *b = v->builder;
    struct job **at = &b->queue, *job;

    pthread_mutex_lock(&b->lock);
    while (*at && strcmp((*at)->def.uuid, uuid) != 0)
        at = &(*at)->next;
    job = take_first(at);
    if (job) {
        job->rc = vane_fail(&job->error, VANE_STATE, "%s was not built", job->def.name);
        finish(b, job);
    }
    pthread_mutex_unlock(&b->lock);
}

struct job *builder_take(struct vaned *v)
{
    struct builder *b = v->builder;
    eventfd_t ignored;
    struct job *job;

    (void)eventfd_read(b->done_fd, &ignored);
    pthread_mutex_lock(&b->lock);
    job = take_first(&b->done);
    pthread_mutex_unlock(&b->lock);
    return job;
}

void job_free(struct job *job)
{
    if (job)
        definition_fini(&job->def);
    free(job);
}
