// SPDX-License-Identifier: MIT
//
// A thread that serves a queue while it is connected. It is made before the sandbox, which makes
// none, waits between connections, and ends with the process.
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct worker {
    void (*serve)(struct worker *w);     // until stop_fd is readable and all is answered
    void *queue;                         // set by whoever supplies serve
    int stop_fd;
    pthread_mutex_t lock;                // of what follows
    pthread_cond_t changed;
    bool is_serving;
};

// 0 or a negative errno.
int worker_init(struct worker *w, void (*serve)(struct worker *w));
void worker_start(struct worker *w);
// Returns when serve() has returned.
void worker_stop(struct worker *w);
