// SPDX-License-Identifier: MIT
#include "host/worker.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_SIZE (256u * 1024)

static void *worker_main(void *argument)
{
    struct worker *w = argument;

    pthread_mutex_lock(&w->lock);
    while (w->state != WORKER_QUIT) {
        if (w->state == WORKER_RUNNING) {
            w->is_idle = false;
            pthread_mutex_unlock(&w->lock);
            w->serve(w);
            pthread_mutex_lock(&w->lock);
            w->state = w->state == WORKER_RUNNING ? WORKER_IDLE : w->state;
            w->is_idle = true;
            pthread_cond_broadcast(&w->changed);
        } else {
            pthread_cond_wait(&w->changed, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void worker_set(struct worker *w, enum worker_state state)
{
    pthread_mutex_lock(&w->lock);
    w->state = state;
    w->is_idle = state != WORKER_RUNNING;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void worker_start(struct worker *w)
{
    worker_set(w, WORKER_RUNNING);
}

void worker_stop(struct worker *w)
{
    eventfd_t nr;

    pthread_mutex_lock(&w->lock);
    if (!w->is_idle) {
        eventfd_write(w->stop_fd, 1);
    }
    while (!w->is_idle) {
        pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    eventfd_read(w->stop_fd, &nr);
}

int worker_init(struct worker *w, void (*serve)(struct worker *w))
{
    pthread_attr_t attributes;

    *w = (struct worker){ .serve = serve, .is_idle = true,
                          .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (w->stop_fd < 0) {
        return -errno;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    return -pthread_create(&w->thread, &attributes, worker_main, w);
}

void worker_fini(struct worker *w)
{
    worker_set(w, WORKER_QUIT);
    pthread_join(w->thread, NULL);
    close(w->stop_fd);
}
