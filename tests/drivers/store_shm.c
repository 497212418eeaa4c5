// SPDX-License-Identifier: MIT
//
// The store in shared memory; store_shm.h says what for.
#include "drivers/store_shm.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static struct store_shm *shm_of(struct store *s)
{
    return (struct store_shm *)(void *)((char *)s - offsetof(struct store_shm, store));
}

// A holder that was killed has at worst left half a value, which its successor writes again.
static void lock(struct store_shm_table *t)
{
    if (pthread_mutex_lock(&t->lock) == EOWNERDEAD) {
        pthread_mutex_consistent(&t->lock);
    }
}

static struct store_shm_node *find(struct store_shm_table *t, const char *path)
{
    for (unsigned i = 0; i < STORE_SHM_NODES; i++) {
        if (strncmp(t->nodes[i].path, path, STORE_MAX_PATH) == 0) {
            return &t->nodes[i];
        }
    }
    return NULL;
}

static int shm_read(struct store *s, const char *path, char *value, size_t size)
{
    struct store_shm_table *t = shm_of(s)->table;
    int rc = -ENOENT;

    lock(t);
    const struct store_shm_node *node = *path ? find(t, path) : NULL;
    if (node) {
        size_t length = strnlen(node->value, STORE_MAX_VALUE);
        rc = length < size ? 0 : -E2BIG;
        if (rc == 0) {
            memcpy(value, node->value, length);
            value[length] = '\0';
        }
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static void wake_both(const struct store_shm *s)
{
    eventfd_write(s->watch_fds[0], 1);
    eventfd_write(s->watch_fds[1], 1);
}

static int shm_write(struct store *s, const char *path, const char *value)
{
    struct store_shm *shm = shm_of(s);
    struct store_shm_table *t = shm->table;

    if (!*path || strlen(path) >= STORE_MAX_PATH || strlen(value) >= STORE_MAX_VALUE) {
        return -E2BIG;
    }
    lock(t);
    struct store_shm_node *node = find(t, path);
    if (!node) {
        node = find(t, "");
    }
    if (node) {
        strcpy(node->value, value);
        strcpy(node->path, path);
    }
    pthread_mutex_unlock(&t->lock);
    wake_both(shm);
    return node ? 0 : -ENOSPC;
}

int store_shm_remove(struct store_shm *s, const char *path)
{
    lock(s->table);
    struct store_shm_node *node = *path ? find(s->table, path) : NULL;
    if (node) {
        memset(node, 0, sizeof(*node));
    }
    pthread_mutex_unlock(&s->table->lock);
    wake_both(s);
    return node ? 0 : -ENOENT;
}

static int shm_watch(struct store *s, const char *path)
{
    (void)s;
    (void)path;    // every write wakes everyone
    return 0;
}

static int shm_wait(struct store *s, int timeout_ms)
{
    struct pollfd p = { .fd = shm_of(s)->watch_fd, .events = POLLIN };
    eventfd_t nr;

    if (poll(&p, 1, timeout_ms) == 1) {
        eventfd_read(p.fd, &nr);
    }
    return 0;
}

static const struct store_ops shm_ops = {
    .read = shm_read,
    .write = shm_write,
    .watch = shm_watch,
    .wait = shm_wait,
};

static int table_map(struct store_shm *s)
{
    s->table = mmap(NULL, sizeof(*s->table), PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    return s->table == MAP_FAILED ? -errno : 0;
}

int store_shm_create(struct store_shm *s)
{
    pthread_mutexattr_t shared;

    *s = (struct store_shm){ .fd = memfd_create("store", 0) };
    if (s->fd < 0 || ftruncate(s->fd, sizeof(*s->table)) < 0) {
        return -errno;
    }
    s->watch_fds[0] = eventfd(0, EFD_NONBLOCK);
    s->watch_fds[1] = eventfd(0, EFD_NONBLOCK);
    s->watch_fd = s->watch_fds[1];
    s->store = (struct store){ .ops = &shm_ops };
    int rc = table_map(s);
    if (rc == 0) {
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
        rc = -pthread_mutex_init(&s->table->lock, &shared);
    }
    return rc;
}

int store_shm_attach(struct store_shm *s, int fd)
{
    *s = (struct store_shm){ .fd = fd, .watch_fds = { fd + 1, fd + 2 } };
    s->watch_fd = fd + 1;
    s->store = (struct store){ .ops = &shm_ops };
    if (lseek(fd, 0, SEEK_END) != (off_t)sizeof(*s->table)) {
        return -EINVAL;
    }
    return table_map(s);
}

void store_shm_back(struct store_shm *back, const struct store_shm *front)
{
    *back = *front;
    back->watch_fd = back->watch_fds[0];
}

void store_shm_destroy(struct store_shm *s)
{
    munmap(s->table, sizeof(*s->table));
    close(s->fd);
    close(s->watch_fds[0]);
    close(s->watch_fds[1]);
}
