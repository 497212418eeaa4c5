// SPDX-License-Identifier: MIT
//
// A thread that serves a queue while it is connected. It is made before the sandbox, which makes
// none, and waits between connections.
#pragma once

#include <pthread.h>
#include <stdbool.h>

enum worker_state { WORKER_IDLE, WORKER_RUNNING, WORKER_QUIT };

struct worker {
    void (*serve)(struct worker *w);     // until stop_fd is readable and all is answered
    pthread_t thread;
    int stop_fd;
    pthread_mutex_t lock;                // of what follows
    pthread_cond_t changed;
    enum worker_state state;             // what the thread is to do
    bool is_idle;                        // what it does
};

// 0 or a negative errno.
int worker_init(struct worker *w, void (*serve)(struct worker *w));
void worker_start(struct worker *w);
// Returns when serve() has returned.
void worker_stop(struct worker *w);
void worker_fini(struct worker *w);
