// SPDX-License-Identifier: MIT
// vane-blk as a process: negotiation, features, resize, limits, its sandbox, errors of the image,
// and kill -9 under a load whose every block is checked.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blk/blk_back.h"
#include "blk/blk_front.h"
#include "host/sandbox.h"
#include "bus/store_xs.h"
#include "drivers/process.h"
#include "unit_main.h"
#include "xenstore-like/client/xs.h"

#define BLOCK 4096u
#define NR_BLOCKS 4096u              // 16 MiB
#define PATIENCE_MS 10000

static struct os os;
static struct store_shm store;
static struct store_xs real;
static struct store *the_store;      // one of the two
static struct blk_front front;
static char image[64], state_file[64], stats_file[64], log_file[64];
static char *arguments[32];
static pid_t pid;
static pid_t stored_pid;             // the store's daemon, when it runs

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// ------------------------------------------------------------------------------------------------

static void make_image(uint32_t nr_blocks)
{
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);

    CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, (off_t)nr_blocks * BLOCK) == 0);
    close(fd);
}

static void start(void)
{
    pid = process_start("vane-blk", &os, &store, arguments, log_file);
}

static void write_state(const char *folder, unsigned state)
{
    char path[STORE_MAX_PATH];
    char value[16];

    snprintf(path, sizeof(path), "%s/state", folder);
    snprintf(value, sizeof(value), "%u", state);
    the_store->ops->write(the_store, path, value);
}

static bool has_state(const char *folder, unsigned state)
{
    char path[STORE_MAX_PATH];
    char value[STORE_MAX_VALUE] = "";

    snprintf(path, sizeof(path), "%s/state", folder);
    the_store->ops->read(the_store, path, value, sizeof(value));
    return (unsigned)atoi(value) == state;
}

// A guest and a folder of files; further arguments for the program, NULL at the end.
static void set_up(char *const *more)
{
    unsigned nr = 0;

    snprintf(image, sizeof(image), "vane-blk-%d.img", (int)getpid());
    snprintf(state_file, sizeof(state_file), "/dev/shm/vane-blk-%d.state", (int)getpid());
    snprintf(stats_file, sizeof(stats_file), "/dev/shm/vane-blk-%d.stats", (int)getpid());
    snprintf(log_file, sizeof(log_file), "vane-blk-%d.log", (int)getpid());
    char *const usual[] = { "--back", BACK_DIR, "--front", FRONT_DIR, "--image", image,
                            "--state", state_file, "--stats", stats_file };
    for (; nr < sizeof(usual) / sizeof(usual[0]); nr++) {
        arguments[nr] = usual[nr];
    }
    while (*more) {
        arguments[nr++] = *more++;
    }
    arguments[nr] = NULL;
    make_image(NR_BLOCKS);
    front = (struct blk_front){ 0 };
    guest_create(&os, 16384, 2);
    CU_ASSERT_EQUAL_FATAL(store_shm_create(&store), 0);
    the_store = stored_pid ? &real.store : &store.store;
    write_state(FRONT_DIR, XenbusStateInitialising);
    write_state(BACK_DIR, XenbusStateInitialising);
    the_store->ops->write(the_store, BACK_DIR "/online", "1");
}

static void connect_front(const struct blk_front_config *config)
{
    CU_ASSERT_EQUAL_FATAL(blk_front_init(&front, &os, the_store, FRONT_DIR, BACK_DIR, config), 0);
    for (uint64_t end = now_ms() + PATIENCE_MS; now_ms() < end;) {
        CU_ASSERT_EQUAL_FATAL(xenbus_run(&front.bus), 0);
        if (xenbus_own_state(&front.bus) == XenbusStateConnected) {
            return;
        }
        the_store->ops->wait(the_store, 100);
    }
    CU_FAIL_FATAL("the back end does not connect");
}

// The toolstack takes the disk away: the front end closes, the back end ends by itself.
static void unplug(void)
{
    int status = -1;

    the_store->ops->write(the_store, BACK_DIR "/online", "0");
    write_state(BACK_DIR, XenbusStateClosing);
    xenbus_run(&front.bus);
    CU_ASSERT_EQUAL(xenbus_own_state(&front.bus), XenbusStateClosed);
    for (unsigned i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        usleep(50000);
    }
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT(has_state(BACK_DIR, XenbusStateClosed));
    CU_ASSERT_EQUAL(guest_nr_mapped(&os), 0);
}

static void tear_down(void)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    blk_front_fini(&front);
    guest_destroy(&os);
    store_shm_destroy(&store);
    unlink(image);
    unlink(state_file);
    unlink(stats_file);
    unlink(log_file);
}

static uint64_t back_value(const char *leaf)
{
    uint64_t value = UINT64_MAX;

    xenbus_read_peer_u64(&front.bus, leaf, UINT64_MAX, &value);
    return value;
}

// ------------------------------------------------------------------------------------------------
// One request at a time.

static int last_status;
static bool is_done;

static void on_done(struct blk_front_io *io, int status)
{
    (void)io;
    last_status = status;
    is_done = true;
}

static int perform(uint8_t operation, uint64_t sector, uint64_t nr_sectors, void *data)
{
    struct blk_front_io io = { .operation = operation, .sector = sector, .nr_sectors = nr_sectors,
                               .data = data, .done = on_done };

    is_done = false;
    CU_ASSERT_EQUAL_FATAL(blk_front_submit(&front, 0, &io), 0);
    blk_front_kick(&front, 0);
    for (uint64_t end = now_ms() + PATIENCE_MS; !is_done && now_ms() < end;) {
        CU_ASSERT_FATAL(blk_front_poll(&front, 0) >= 0);
        if (!is_done) {
            struct pollfd p = { .fd = os.area.to_front[front.queues[0].ring.port], .events = POLLIN };
            poll(&p, 1, 100);
        }
    }
    CU_ASSERT_FATAL(is_done);
    return last_status;
}

static void test_features(void)
{
    static const struct {
        const char *leaf;
        uint64_t value;
    } expected[] = {
        { "feature-barrier", 1 }, { "feature-flush-cache", 1 }, { "feature-discard", 1 },
        { "feature-persistent", 1 }, { "feature-max-indirect-segments", 256 },
        { "max-ring-page-order", 4 }, { "max-ring-pages", 16 }, { "multi-queue-max-queues", 2 },
        { "discard-secure", 1 }, { "sector-size", 512 }, { "info", 0 }, { "sectors", NR_BLOCKS * 8 },
    };
    static const struct blk_front_config configs[] = {
        { 1, 0, 8, 11, false },      // an old front end
        { 1, 2, 16, 32, true },
        { 2, 4, 16, 64, true },      // all there is
        { 2, 0, 16, 256, false },
    };
    static uint8_t data[1 << 20], back[1 << 20];
    char text[STORE_MAX_VALUE];

    for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        set_up((char *const[]){ "--queues", "2", "--secure-discard", NULL });
        start();
        connect_front(&configs[i]);
        CU_ASSERT_EQUAL(front.nr_queues, configs[i].nr_queues);
        // Linux' back end wants numbered pages of whoever names an order.
        bool has_order = the_store->ops->read(the_store, FRONT_DIR "/ring-page-order", text, sizeof(text)) == 0;
        CU_ASSERT_EQUAL(has_order, configs[i].ring_order > 0);
        for (unsigned n = 0; n < sizeof(expected) / sizeof(expected[0]); n++) {
            CU_ASSERT_EQUAL(back_value(expected[n].leaf), expected[n].value);
        }
        uint64_t nr = configs[i].max_segments * 8;
        for (size_t n = 0; n < sizeof(data); n++) {
            data[n] = (uint8_t)(n * 7 + n / 4096 + i);
        }
        CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 3, nr, data), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 3, nr, back), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(memcmp(data, back, nr * 512), 0);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE_BARRIER, 1, 8, data), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, NULL), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 1, 8, back), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(memcmp(data, back, 8 * 512), 0);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_DISCARD, 0, 64, NULL), BLKIF_RSP_OKAY);
        CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 0, 64, back), BLKIF_RSP_OKAY);
        CU_ASSERT(back[0] == 0 && memcmp(back, back + 1, 64 * 512 - 1) == 0);
        unplug();
        tear_down();
    }
}

static void test_read_only_and_refusals(void)
{
    static uint8_t data[BLOCK];
    const struct blk_front_config config = { 1, 0, 8, 11, false };

    set_up((char *const[]){ "--read-only", NULL });
    start();
    connect_front(&config);
    CU_ASSERT(front.is_read_only);
    CU_ASSERT(!front.can_discard);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 0, 8, data), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 0, 8, data), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, NR_BLOCKS * 8 - 7, 8, data), BLKIF_RSP_ERROR);
    unplug();
    tear_down();
}

// Nodes that no front end should write end in Closing with a sentence, not in a crash.
static void test_bad_nodes(void)
{
    static const struct {
        const char *leaf, *value, *why;
    } rows[] = {
        { "ring-page-order", "5", "ring-page-order of the other end must be a number up to 4" },
        { "ring-ref", "x", "ring-ref of the other end must be a number" },
        { "ring-ref", "77", "cannot be opened" },
        { "event-channel", "9", "cannot be opened" },
        { "multi-queue-num-queues", "0", "must be at least 1" },
        { "multi-queue-num-queues", "3", "must be a number up to 2" },
        { "protocol", "x86_32-abi", "start a 64-bit kernel" },
        { "num-ring-pages", "3", "must be a power of two" },
        { "feature-persistent", "2", "must be a number up to 1" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[STORE_MAX_VALUE] = "";
        char path[STORE_MAX_PATH];

        set_up((char *const[]){ "--queues", "2", NULL });
        uint32_t ref = 0;
        os_grant(&os, os_pages_alloc(&os, 1), false, &ref);
        char text[16];
        snprintf(text, sizeof(text), "%u", ref);
        the_store->ops->write(the_store, FRONT_DIR "/ring-ref", text);
        the_store->ops->write(the_store, FRONT_DIR "/event-channel", "0");
        snprintf(path, sizeof(path), FRONT_DIR "/%s", rows[i].leaf);
        the_store->ops->write(the_store, path, rows[i].value);
        write_state(FRONT_DIR, XenbusStateInitialised);
        start();
        for (unsigned n = 0; n < 100 && !why[0]; n++) {
            usleep(20000);
            the_store->ops->read(the_store, BACK_DIR "/error", why, sizeof(why));
        }
        if (!strstr(why, rows[i].why)) {
            printf("%s = %s: %s\n", rows[i].leaf, rows[i].value, why);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(why, rows[i].why));
        CU_ASSERT_EQUAL(kill(pid, 0), 0);
        tear_down();
    }
}

static void test_resize(void)
{
    static uint8_t data[BLOCK];
    const struct blk_front_config config = { 1, 0, 8, 11, false };

    set_up((char *const[]){ NULL });
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, NR_BLOCKS * 8, 8, data), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(truncate(image, 2 * NR_BLOCKS * BLOCK), 0);
    for (unsigned i = 0; i < 100 && front.nr_sectors == NR_BLOCKS * 8; i++) {
        usleep(50000);
        xenbus_run(&front.bus);
    }
    CU_ASSERT_EQUAL(front.nr_sectors, 2 * NR_BLOCKS * 8);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, NR_BLOCKS * 8, 8, data), BLKIF_RSP_OKAY);
    // Cut behind its back: an error, until it is noticed.
    CU_ASSERT_EQUAL(truncate(image, BLOCK), 0);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, NR_BLOCKS * 8, 8, data), BLKIF_RSP_ERROR);
    unplug();
    tear_down();
}

static void test_sandbox(void)
{
    const struct blk_front_config config = { 2, 0, 8, 11, false };

    set_up((char *const[]){ "--queues", "2", NULL });
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(process_status(pid, "CapEff:", 16), 0);
    CU_ASSERT_EQUAL(process_status(pid, "CapPrm:", 16), 0);
    CU_ASSERT_EQUAL(process_status(pid, "NoNewPrivs:", 10), 1);
    CU_ASSERT_EQUAL(process_status(pid, "Seccomp:", 10), 2);
    CU_ASSERT(process_status(pid, "RssAnon:", 10) < (16 + 2 * 8) * 1024);
    unplug();
    tear_down();
}

// How a child ends that enters the sandbox and makes a system call.
static int status_after(long number, long first, long second)
{
    static const unsigned long own[] = { BLKGETSIZE64 };
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        if (sandbox_drop_capabilities() < 0 || sandbox_enter((size_t)1 << 60, own, 1) < 0) {
            syscall(SYS_exit_group, 1);
        }
        syscall(number, first, second, 0, 0, 0, 0);
        syscall(SYS_exit_group, 0);
    }
    waitpid(child, &status, 0);
    return status;
}

static void test_sandbox_kills(void)
{
    static const long forbidden[] = {
        SYS_openat, SYS_open, SYS_socket, SYS_connect, SYS_execve, SYS_clone, SYS_ptrace, SYS_kill,
        SYS_io_uring_setup, SYS_io_uring_register, SYS_prctl, SYS_setrlimit, SYS_unlink,
    };

    CU_ASSERT_EQUAL(status_after(SYS_getpid, 0, 0), 0);
    CU_ASSERT_EQUAL(status_after(SYS_ioctl, 0, BLKGETSIZE64), 0);
    for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        int status = status_after(forbidden[i], -1, 0);
        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
    static const long not_own[] = { TIOCSTI, TUNSETQUEUE, SIOCGIFFLAGS };
    for (unsigned i = 0; i < sizeof(not_own) / sizeof(not_own[0]); i++) {
        int status = status_after(SYS_ioctl, 0, not_own[i]);
        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

static void test_limit(void)
{
    static uint8_t data[BLOCK];
    const struct blk_front_config config = { 1, 0, 8, 11, false };

    set_up((char *const[]){ "--iops", "200", NULL });
    start();
    connect_front(&config);
    uint64_t begin = now_ms();
    for (unsigned i = 0; i < 120; i++) {
        CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, i, 1, data), BLKIF_RSP_OKAY);
    }
    // 120 at 200 a second, of which 20 may come at once.
    CU_ASSERT(now_ms() - begin >= 480);
    unplug();
    tear_down();
}

#define FULL_AT 256u    // beyond the files of state

// A full disk, as far as anyone can have one: the largest size a file may grow to.
static void test_disk_full(void)
{
    static uint8_t data[64 * BLOCK];
    const struct blk_front_config config = { 1, 0, 8, 64, false };
    struct rlimit limit = { FULL_AT * BLOCK, RLIM_INFINITY };
    struct rlimit before;

    getrlimit(RLIMIT_FSIZE, &before);
    set_up((char *const[]){ NULL });
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    start();
    setrlimit(RLIMIT_FSIZE, &before);
    connect_front(&config);
    memset(data, 0x5a, sizeof(data));
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 0, 64, data), BLKIF_RSP_OKAY);
    // This one is cut short by the kernel, and the rest of it fails.
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, (FULL_AT - 4) * 8, 64 * 8, data), BLKIF_RSP_ERROR);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 0, 64, data), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(data[63 * 512], 0x5a);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, NULL), BLKIF_RSP_OKAY);
    unplug();
    tear_down();
}

static void test_image_is_locked(void)
{
    const struct blk_front_config config = { 1, 0, 8, 11, false };
    struct blk_image_options options = { .lock_seconds = 0 };
    struct blk_image *second;
    char why[256] = "";

    set_up((char *const[]){ NULL });
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(blk_raw_open(&second, image, &options, why, sizeof(why)), -EWOULDBLOCK);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "in use by another process"));
    unplug();
    options.lock_seconds = 5;    // the kernel lets go of a dead process' file in its own time
    CU_ASSERT_EQUAL_FATAL(blk_raw_open(&second, image, &options, why, sizeof(why)), 0);
    second->ops->close(second);
    CU_ASSERT_EQUAL(blk_raw_open(&second, "/dev/null", &options, why, sizeof(why)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "neither a file nor a block device"));
    CU_ASSERT_EQUAL(blk_raw_open(&second, "/nonexistent", &options, why, sizeof(why)), -ENOENT);
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// kill -9 under load. Every block holds its number, a version and a checksum; each is touched by one
// request at a time, so what must be read is known exactly.

#define SOAK_SLOTS 24u
#define SOAK_MAX_BLOCKS 32u

struct stamp {
    uint64_t block, version, sum;
};

struct job {
    struct blk_front_io io;
    bool is_busy;
    uint32_t block, nr;
    uint64_t version;
    uint8_t data[SOAK_MAX_BLOCKS * BLOCK];
};

static struct job jobs[2][SOAK_SLOTS];
static uint64_t acknowledged[NR_BLOCKS];
static bool is_taken[NR_BLOCKS];
static uint64_t nr_done, nr_wrong, nr_failed;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static void stamp_block(uint8_t *at, uint64_t block, uint64_t version)
{
    struct stamp s = { block, version, mix(block * 1000003 + version) };

    for (size_t i = 0; i < BLOCK; i += 512) {
        memcpy(at + i, &s, sizeof(s));
        memset(at + i + sizeof(s), (int)(version + i / 512), 512 - sizeof(s));
    }
}

static bool block_is(const uint8_t *at, uint64_t block, uint64_t version)
{
    static uint8_t expected[BLOCK];

    if (version == 0) {
        memset(expected, 0, BLOCK);
    } else {
        stamp_block(expected, block, version);
    }
    return memcmp(at, expected, BLOCK) == 0;
}

static void on_job_done(struct blk_front_io *io, int status)
{
    struct job *j = (struct job *)(void *)io;

    nr_failed += status != BLKIF_RSP_OKAY;
    for (uint32_t i = 0; i < j->nr; i++) {
        uint32_t block = j->block + i;
        if (io->operation == BLKIF_OP_READ && !block_is(j->data + i * BLOCK, block, acknowledged[block])) {
            nr_wrong++;
        } else if (io->operation == BLKIF_OP_WRITE) {
            acknowledged[block] = j->version;
        }
        is_taken[block] = false;
    }
    j->is_busy = false;
    nr_done++;
}

static bool take_blocks(uint32_t first, uint32_t nr)
{
    for (uint32_t i = 0; i < nr; i++) {
        if (is_taken[first + i]) {
            return false;
        }
    }
    memset(is_taken + first, 1, nr);
    return true;
}

static void start_job(unsigned queue, struct job *j)
{
    static uint64_t version;
    unsigned kind = (unsigned)rand() % 100;

    j->nr = kind < 5 ? 0 : 1 + (unsigned)rand() % SOAK_MAX_BLOCKS;
    j->block = (uint32_t)rand() % (NR_BLOCKS - SOAK_MAX_BLOCKS);
    if (!take_blocks(j->block, j->nr)) {
        return;
    }
    j->version = ++version;
    j->io = (struct blk_front_io){ .sector = j->block * 8ull, .nr_sectors = j->nr * 8ull,
        .data = j->data, .done = on_job_done,
        .operation = kind < 5 ? BLKIF_OP_FLUSH_DISKCACHE : kind < 50 ? BLKIF_OP_READ : BLKIF_OP_WRITE };
    for (uint32_t i = 0; i < j->nr; i++) {
        stamp_block(j->data + i * BLOCK, j->block + i, j->version);
    }
    j->is_busy = blk_front_submit(&front, queue, &j->io) == 0;
    if (!j->is_busy) {
        memset(is_taken + j->block, 0, j->nr);
    }
}

static void pump(bool start_more)
{
    struct pollfd p[2];
    eventfd_t nr;

    for (unsigned queue = 0; queue < 2; queue++) {
        CU_ASSERT_FATAL(blk_front_poll(&front, queue) >= 0);
        for (unsigned i = 0; i < SOAK_SLOTS && start_more; i++) {
            if (!jobs[queue][i].is_busy) {
                start_job(queue, &jobs[queue][i]);
            }
        }
        blk_front_kick(&front, queue);
        p[queue] = (struct pollfd){ .fd = os.area.to_front[front.queues[queue].ring.port], .events = POLLIN };
    }
    poll(p, 2, 5);
    for (unsigned queue = 0; queue < 2; queue++) {
        if (read(p[queue].fd, &nr, sizeof(nr)) < 0) {
            continue;    // nothing came
        }
    }
}

static unsigned nr_busy(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < 2 * SOAK_SLOTS; i++) {
        nr += jobs[i / SOAK_SLOTS][i % SOAK_SLOTS].is_busy;
    }
    return nr;
}

// Goes on until this many more are done.
static void pump_until(uint64_t more, bool start_more)
{
    uint64_t goal = nr_done + more;

    for (uint64_t end = now_ms() + PATIENCE_MS; nr_done < goal && now_ms() < end;) {
        pump(start_more);
    }
    CU_ASSERT_FATAL(nr_done >= goal);
}

static void check_image(void)
{
    static uint8_t block[BLOCK];
    int fd = open(image, O_RDONLY);
    unsigned nr_lost = 0;

    for (uint32_t i = 0; i < NR_BLOCKS; i++) {
        CU_ASSERT_EQUAL_FATAL(pread(fd, block, BLOCK, (off_t)i * BLOCK), BLOCK);
        nr_lost += !block_is(block, i, acknowledged[i]);
    }
    close(fd);
    CU_ASSERT_EQUAL(nr_lost, 0);
}

static void kill_backend(void)
{
    process_kill(pid);
    start();
}

static void set_up_raw(void)
{
    set_up((char *const[]){ "--queues", "2", NULL });
}

static void soak(void (*prepare)(void), bool is_persistent, void (*hurt)(void), unsigned nr_kills)
{
    const struct blk_front_config config = { 2, 1, SOAK_SLOTS, SOAK_MAX_BLOCKS, is_persistent };
    uint64_t longest = 0;

    prepare();
    memset(acknowledged, 0, sizeof(acknowledged));
    nr_done = nr_wrong = nr_failed = 0;
    start();
    connect_front(&config);
    for (unsigned i = 0; i < nr_kills; i++) {
        pump_until(1 + (unsigned)rand() % 100, true);
        CU_ASSERT(nr_busy() > 0);
        uint64_t begin = now_ms();
        hurt();
        pump_until(1, true);
        uint64_t pause = now_ms() - begin;
        longest = pause > longest ? pause : longest;
    }
    while (nr_busy()) {
        pump_until(1, false);
    }
    printf("%u kills, %llu requests, the longest pause %llu ms\n", nr_kills,
           (unsigned long long)nr_done, (unsigned long long)longest);
    CU_ASSERT_EQUAL(nr_wrong, 0);
    CU_ASSERT_EQUAL(nr_failed, 0);
    CU_ASSERT(longest < 5000);    // a second on a machine that is not busy
    unplug();
    check_image();
    tear_down();
}

static void test_kill_copied(void)
{
    soak(set_up_raw, false, kill_backend, 50);
}

static void test_kill_persistent(void)
{
    soak(set_up_raw, true, kill_backend, 50);
}

// Without its journal a back end starts over, and the front end sends again.
static void test_kill_without_state(void)
{
    const struct blk_front_config config = { 2, 1, SOAK_SLOTS, SOAK_MAX_BLOCKS, false };

    set_up((char *const[]){ "--queues", "2", NULL });
    memset(acknowledged, 0, sizeof(acknowledged));
    nr_done = nr_wrong = nr_failed = 0;
    start();
    connect_front(&config);
    for (unsigned i = 0; i < 5; i++) {
        pump_until(50, true);
        process_kill(pid);
        unlink(state_file);
        start();
        // The old state stands until the new process writes its own.
        bool was_let_go = false;
        for (unsigned n = 0; n < 1000; n++) {
            CU_ASSERT_EQUAL_FATAL(xenbus_run(&front.bus), 0);
            bool is_connected = xenbus_own_state(&front.bus) == XenbusStateConnected;
            if (was_let_go && is_connected) {
                break;
            }
            was_let_go |= !is_connected;
            usleep(5000);
        }
        pump_until(20, true);
    }
    while (nr_busy()) {
        pump_until(1, false);
    }
    CU_ASSERT_EQUAL(nr_wrong, 0);
    CU_ASSERT_EQUAL(nr_failed, 0);
    unplug();
    check_image();
    tear_down();
}

// ------------------------------------------------------------------------------------------------
// An NBD server: qemu-nbd serves the image's file.

static pid_t server_pid;
static char key_dir[32], socket_file[48], uri[160];
static const char new_certificates[] =
    "cd %s && new='openssl req -x509 -newkey ed25519 -nodes -subj' && $new /CN=tests -keyout ca-key.pem -out ca-cert.pem 2> errors && "
    "$new /CN=localhost -CA ca-cert.pem -CAkey ca-key.pem -addext basicConstraints=CA:FALSE -keyout server-key.pem "
    "-out server-cert.pem 2>> errors";

static void start_server(bool has_tls)
{
    char object[96];
    char *plain[] = { "qemu-nbd", "--socket", socket_file, "--shared", "4", "--persistent", "--format", "raw",
                      "--discard", "unmap", image, NULL, NULL, NULL, NULL, NULL };
    char *const tls[] = { "--object", object, "--tls-creds", "tls" };
    struct timespec step = { .tv_nsec = 5000000 };

    snprintf(object, sizeof(object), "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir=%s", key_dir);
    if (has_tls) {
        memcpy(plain + 11, tls, sizeof(tls));
    }
    server_pid = fork();
    if (server_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(plain[0], plain);
        _exit(1);
    }
    for (unsigned i = 0; i < 2000 && access(socket_file, F_OK) < 0; i++) {
        nanosleep(&step, NULL);
    }
    CU_ASSERT_EQUAL_FATAL(access(socket_file, F_OK), 0);
}

static void stop_server(void)
{
    process_kill(server_pid);
    unlink(socket_file);
}

static void set_up_server(bool has_tls, char *const *more)
{
    char command[sizeof(new_certificates) + sizeof(key_dir)];

    set_up(more);
    snprintf(key_dir, sizeof(key_dir), "/tmp/vane-blk-%d", (int)getpid());
    snprintf(socket_file, sizeof(socket_file), "%s/nbd.sock", key_dir);
    if (has_tls) {
        snprintf(uri, sizeof(uri), "nbds+unix:///?socket=%s&tls-certificates=%s", socket_file, key_dir);
    } else {
        snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", socket_file);
    }
    CU_ASSERT_EQUAL_FATAL(mkdir(key_dir, 0700), 0);
    snprintf(command, sizeof(command), new_certificates, key_dir);
    CU_ASSERT_EQUAL_FATAL(has_tls ? system(command) : 0, 0);
    start_server(has_tls);
    for (unsigned i = 0; arguments[i]; i++) {
        arguments[i] = arguments[i] == image ? uri : arguments[i];
    }
}

static void tear_down_server(void)
{
    char command[64];

    stop_server();
    snprintf(command, sizeof(command), "rm -r %s", key_dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void serve_by_nbd(bool has_tls)
{
    static uint8_t data[256 * BLOCK], back[256 * BLOCK];
    const struct blk_front_config config = { 1, 0, 8, 256, false };

    set_up_server(has_tls, (char *const[]){ NULL });
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(front.nr_sectors, NR_BLOCKS * 8);
    CU_ASSERT_EQUAL(back_value("feature-discard"), 1);
    for (size_t n = 0; n < sizeof(data); n++) {
        data[n] = (uint8_t)(n * 7 + n / 4096);
    }
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 3, 256 * 8, data), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, NULL), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 3, 256 * 8, back), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(memcmp(data, back, sizeof(data)), 0);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_DISCARD, 8, 64, NULL), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 8, 64, back), BLKIF_RSP_OKAY);
    CU_ASSERT(back[0] == 0 && memcmp(back, back + 1, 64 * 512 - 1) == 0);
    unplug();
    tear_down();
    tear_down_server();
}

static void test_nbd(void)
{
    serve_by_nbd(false);
}

static void test_nbd_tls(void)
{
    serve_by_nbd(true);
}

// The server goes: the process says so and ends, having answered nothing that it did not do.
static void lose_server(void)
{
    int status = -1;

    stop_server();
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    start_server(false);
    start();
}

static void set_up_nbd(void)
{
    set_up_server(false, (char *const[]){ "--queues", "2", NULL });
}

static void test_nbd_server_lost(void)
{
    soak(set_up_nbd, true, lose_server, 10);
    tear_down_server();
}

static void test_nbd_kill(void)
{
    soak(set_up_nbd, false, kill_backend, 10);
    tear_down_server();
}

static void test_nbd_refusals(void)
{
    static const struct {
        const char *uri, *why;
    } rows[] = {
        { "nbd+unix:///?socket=/nonexistent", "cannot be used" },
        { "nbd+unix:///", "cannot be used" },
        { "nbd://[", "cannot be used" },
    };
    struct blk_image_options options = { .nr_lanes = 1 };
    struct blk_image *none;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[256] = "";
        CU_ASSERT(blk_nbd_open(&none, rows[i].uri, &options, why, sizeof(why)) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, rows[i].why));
    }
    CU_ASSERT(!blk_is_nbd("/dev/nbd0"));
    // qemu-nbd rounds up to sectors, so only nothing is less than one.
    char why[256] = "";
    set_up_server(false, (char *const[]){ NULL });
    stop_server();
    CU_ASSERT_EQUAL(truncate(image, 0), 0);
    start_server(false);
    CU_ASSERT_EQUAL(blk_nbd_open(&none, uri, &options, why, sizeof(why)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "smaller than a sector"));
    tear_down();
    tear_down_server();
}

// A block device: a loop device, where this machine lets us make one.
static void test_block_device(void)
{
    static uint8_t data[BLOCK], back[BLOCK];
    const struct blk_front_config config = { 1, 1, 8, 11, true };
    char device[64] = "";
    char command[256];

    set_up((char *const[]){ NULL });
    snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", image);
    FILE *f = popen(command, "r");
    if (f && fgets(device, sizeof(device), f)) {
        device[strcspn(device, "\n")] = '\0';
    }
    if (f) {
        pclose(f);
    }
    if (!device[0]) {
        printf("no loop device can be made here\n");
        CU_PASS("without one");
        tear_down();
        return;
    }
    for (unsigned i = 0; arguments[i]; i++) {
        arguments[i] = arguments[i] == image ? device : arguments[i];
    }
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(front.nr_sectors, NR_BLOCKS * 8);
    memset(data, 0xc3, sizeof(data));
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 16, 8, data), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, NULL), BLKIF_RSP_OKAY);
    int fd = open(image, O_RDONLY);
    CU_ASSERT_EQUAL(pread(fd, back, BLOCK, 16 * 512), BLOCK);
    CU_ASSERT_EQUAL(memcmp(data, back, BLOCK), 0);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_DISCARD, 16, 8, NULL), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 16, 8, back), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(back[0], 0);
    close(fd);
    CU_ASSERT_EQUAL(truncate(image, 2 * NR_BLOCKS * BLOCK), 0);
    snprintf(command, sizeof(command), "losetup -c %s", device);
    CU_ASSERT_EQUAL(system(command), 0);
    for (unsigned i = 0; i < 100 && front.nr_sectors == NR_BLOCKS * 8; i++) {
        usleep(50000);
        xenbus_run(&front.bus);
    }
    CU_ASSERT_EQUAL(front.nr_sectors, 2 * NR_BLOCKS * 8);
    unplug();
    snprintf(command, sizeof(command), "losetup -d %s", device);
    CU_ASSERT_EQUAL(system(command), 0);
    tear_down();
}

// The program as it is shipped, where the devices of a dom0 are missing.
static void expect_sentence_of_devices(const char *socket_path)
{
    const char *build = getenv("PV_BUILD") ? getenv("PV_BUILD") : ".";
    char command[8192];

    snprintf(command, sizeof(command), "said=$(%s/pv-drivers/vane-blk --domid 1 --store %s --back b --front f --image %s "
             "2>&1); [ $? = 1 ] && echo \"$said\" | grep -q '/dev/xen/gntdev cannot be opened.*xen-gntdev'", build,
             socket_path, image);
    CU_ASSERT(access("/dev/xen/gntdev", F_OK) == 0 || system(command) == 0);
}

// The same over the real store: vane-stored, through its socket.
static void test_real_store(void)
{
    static uint8_t data[BLOCK];
    const struct blk_front_config config = { 1, 1, 8, 11, true };
    char socket_path[64];
    char program[4096];
    char value[STORE_MAX_VALUE];
    int rc = -ENOENT;

    snprintf(socket_path, sizeof(socket_path), "/tmp/vane-blk-%d.socket", (int)getpid());
    snprintf(program, sizeof(program), "%s/xenstore-like/vane-stored",
             getenv("PV_BUILD") ? getenv("PV_BUILD") : ".");
    stored_pid = fork();
    if (stored_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, program, "--socket", socket_path, "--no-state", "--no-dom0", "--devices",
              "/nonexistent", (char *)NULL);
        _exit(127);
    }
    for (uint64_t end = now_ms() + PATIENCE_MS; rc < 0 && now_ms() < end;) {
        usleep(10000);
        rc = store_xs_open(&real, socket_path);
    }
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    set_up((char *const[]){ "--store", socket_path, NULL });
    expect_sentence_of_devices(socket_path);
    start();
    connect_front(&config);
    CU_ASSERT_EQUAL(perform(BLKIF_OP_WRITE, 0, 8, data), BLKIF_RSP_OKAY);
    CU_ASSERT_EQUAL(back_value("sectors"), NR_BLOCKS * 8);
    CU_ASSERT_EQUAL(the_store->ops->read(the_store, FRONT_DIR "/none", value, sizeof(value)), -ENOENT);
    CU_ASSERT_EQUAL(the_store->ops->read(the_store, BACK_DIR "/sectors", value, 3), -E2BIG);
    // Killed, it goes on here too; and when it is told to go, it is told by a watch.
    process_kill(pid);
    start();
    CU_ASSERT_EQUAL(perform(BLKIF_OP_READ, 0, 8, data), BLKIF_RSP_OKAY);
    unplug();
    // A store that is gone is an error, not a device without a state.
    process_kill(stored_pid);
    CU_ASSERT(the_store->ops->wait(the_store, 1000) < 0);
    CU_ASSERT(the_store->ops->read(the_store, BACK_DIR "/state", value, sizeof(value)) < 0);
    CU_ASSERT(xenbus_run(&front.bus) < 0);
    tear_down();
    xs_disconnect(real.xs);
    unlink(socket_path);
    stored_pid = 0;
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "features", test_features },
        { "read_only_and_refusals", test_read_only_and_refusals },
        { "bad_nodes", test_bad_nodes },
        { "resize", test_resize },
        { "sandbox", test_sandbox },
        { "sandbox_kills", test_sandbox_kills },
        { "limit", test_limit },
        { "disk_full", test_disk_full },
        { "image_is_locked", test_image_is_locked },
        { "block_device", test_block_device },
        { "real_store", test_real_store },
        { "kill_copied", test_kill_copied },
        { "kill_persistent", test_kill_persistent },
        { "kill_without_state", test_kill_without_state },
        { "nbd", test_nbd },
        { "nbd_tls", test_nbd_tls },
        { "nbd_server_lost", test_nbd_server_lost },
        { "nbd_kill", test_nbd_kill },
        { "nbd_refusals", test_nbd_refusals },
        { 0 },
    };

    signal(SIGPIPE, SIG_IGN);
    return unit_main("vane_blk", tests);
}
