// SPDX-License-Identifier: MIT
#include "host/worker.h"

#include <errno.h>
#include <sys/eventfd.h>

#define STACK_SIZE (256u * 1024)

static void set_serving(struct worker *w, bool is_serving)
{
    pthread_mutex_lock(&w->lock);
    w->is_serving = is_serving;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void *worker_main(void *argument)
{
    struct worker *w = argument;

    for (;;) {
        pthread_mutex_lock(&w->lock);
        while (!w->is_serving)
            pthread_cond_wait(&w->changed, &w->lock);
        pthread_mutex_unlock(&w->lock);
        w->serve(w);
        set_serving(w, false);
    }
    return NULL;
}

void worker_start(struct worker *w)
{
    set_serving(w, true);
}

void worker_stop(struct worker *w)
{
    eventfd_t nr;

    pthread_mutex_lock(&w->lock);
    if (w->is_serving)
        eventfd_write(w->stop_fd, 1);
    while (w->is_serving)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    eventfd_read(w->stop_fd, &nr);
}

int worker_init(struct worker *w, void (*serve)(struct worker *w))
{
    pthread_t thread;
    pthread_attr_t attributes;

    *w = (struct worker){ .serve = serve, .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (w->stop_fd < 0)
        return -errno;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    return -pthread_create(&thread, &attributes, worker_main, w);
}
