// SPDX-License-Identifier: MIT
// The control interface and the builder over a hypervisor that is played here, at the level of xen_linux.h: any call can be
// made to fail, and whatever fails, no domain is left behind.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dom0-tools/lib/build.h"
#include "dom0-tools/lib/xen_linux.h"
#include "public/domctl.h"
#include "public/memory.h"
#include "public/sysctl.h"
#include "unit_main.h"

enum { DOMID = 5, PAGES = 4096, FIRST_FRAME = 0x10000 };

static struct {
    unsigned nr_calls, fail_at;     // the call that fails, from 1; 0: none
    int failure;
    int nr_domains;
    uint64_t claimed, populated, pinned, cleared;
    unsigned restarts;              // that destroydomain asks for
    bool no_blocks;                 // order 0 only
    size_t most;                    // extents given by one call, 0: all
} fake;

// Counts a call; true if it is the one to fail.
static bool fails(void)
{
    return ++fake.nr_calls == fake.fail_at;
}

int xen_open_privcmd(const char *folder)
{
    return strcmp(folder, "/dev/xen") ? -ENOENT : open("/dev/null", O_RDWR);
}

void *xen_hypercall_buffer(const char *folder, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)folder;
    return at == MAP_FAILED ? NULL : at;
}

static int do_domctl(struct xen_domctl *op)
{
    if (op->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    if (op->cmd == XEN_DOMCTL_createdomain) {
        fake.nr_domains++;
        op->domain = DOMID;
        return 0;
    }
    if (op->cmd == XEN_DOMCTL_getdomaininfo) {
        op->u.getdomaininfo.domain = op->domain > DOMID ? op->domain + 1 : DOMID;
        op->u.getdomaininfo.shared_info_frame = 77;
        op->u.getdomaininfo.flags = XEN_DOMINF_shutdown | 3 << XEN_DOMINF_shutdownshift;
        return 0;
    }
    if (op->domain != DOMID)
        return -ESRCH;
    if (op->cmd == XEN_DOMCTL_destroydomain && fake.restarts && fake.restarts--)
        return -ERESTART;
    fake.nr_domains -= op->cmd == XEN_DOMCTL_destroydomain;
    return 0;
}

static int do_populate(const struct xen_memory_reservation *op)
{
    uint64_t *extents = (uint64_t *)(uintptr_t)op->extent_start;
    size_t given = op->extent_order && fake.no_blocks ? 0 : op->nr_extents;

    if (fake.most && given > fake.most)
        given = fake.most;
    for (size_t i = 0; i < given; i++)
        extents[i] += FIRST_FRAME;
    fake.populated += given << op->extent_order;
    return (int)given;
}

int xen_hypercall(int privcmd, uint64_t op, const uint64_t args[5])
{
    const struct xen_memory_reservation *memory = (const void *)(uintptr_t)args[1];
    const struct mmuext_op *ext = (const void *)(uintptr_t)args[0];
    bool destroys = op == __HYPERVISOR_domctl && ((struct xen_domctl *)(uintptr_t)args[0])->cmd == XEN_DOMCTL_destroydomain;

    (void)privcmd;
    if (!destroys && fails())
        return fake.failure;
    switch (op) {
    case __HYPERVISOR_domctl:
        return do_domctl((struct xen_domctl *)(uintptr_t)args[0]);
    case __HYPERVISOR_memory_op:
        if (args[0] == XENMEM_claim_pages)
            fake.claimed = memory->nr_extents;
        return args[0] == XENMEM_populate_physmap ? do_populate(memory) : 0;
    case __HYPERVISOR_mmuext_op:
        fake.pinned += ext->cmd == MMUEXT_PIN_L4_TABLE;
        fake.cleared += ext->cmd == MMUEXT_CLEAR_PAGE ? args[1] : 0;
        return 0;
    default:
        return 0;
    }
}

void *xen_map_frames(int privcmd, unsigned domid, const uint64_t *frames, size_t count, bool writable)
{
    void *at = mmap(NULL, count * HV_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)privcmd, (void)domid, (void)frames, (void)writable;
    if (!fails())
        return at;
    munmap(at, count * HV_PAGE_SIZE);
    errno = -fake.failure;
    return NULL;
}

void *xen_map_resource(int privcmd, unsigned domid, unsigned type, unsigned id, unsigned first, size_t count)
{
    void *at = mmap(NULL, count * HV_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)privcmd, (void)domid, (void)type, (void)id, (void)first;
    if (!fails())
        return at;
    munmap(at, count * HV_PAGE_SIZE);
    errno = -fake.failure;
    return NULL;
}

// --- Tests

static struct hv hv;
static struct vane_error error;

static void start(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.failure = -ENOMEM;
    CU_ASSERT_EQUAL_FATAL(hv_open(&hv, NULL, &error), 0);
    fake.nr_calls = 0;
}

static int build(struct built *built)
{
    static struct image image = { .memfd = -1, .size = 0x3000 };
    struct build_config config = {
        .domain = { .nr_vcpus = 2 }, .pages = PAGES, .max_pages = PAGES, .kernel = &image, .initramfs = "/etc/passwd",
        .command_line = "quiet",
    };

    if (image.memfd < 0) {
        image.memfd = memfd_create("kernel", 0);
        CU_ASSERT_EQUAL_FATAL(ftruncate(image.memfd, 0x3000), 0);
        image.plan = (struct image_plan){
            .virt_base = UINT64_C(0xffffffff80000000), .entry = UINT64_C(0xffffffff80100000), .end = 0x110000,
            .module_by_frame = 1, .has_hypercall_page = 1, .hypercall_page = UINT64_C(0xffffffff80101000), .nr_segments = 1,
            .segments = { { 0, 0x2345, 0x100000, 0x10000 } },
        };
    }
    *built = (struct built){ 0 };
    return build_domain(&hv, &config, built, &error);
}

static void builds(void)
{
    struct built built;

    start();
    CU_ASSERT_EQUAL(build(&built), 0);
    CU_ASSERT_EQUAL(built.domid, DOMID);
    CU_ASSERT_EQUAL(fake.populated, PAGES);
    CU_ASSERT_EQUAL(fake.claimed, 0);
    CU_ASSERT_EQUAL(fake.pinned, 1);
    CU_ASSERT_EQUAL(fake.cleared, 0x10 - 3);
    CU_ASSERT_EQUAL(fake.nr_domains, 1);
    CU_ASSERT(built.store_frame >= FIRST_FRAME && built.console_frame == built.store_frame + 1);
    hv_close(&hv);
}

// Blocks of 2 MiB that are not there, and calls that do only a part.
static void memory_in_pieces(void)
{
    struct built built;
    uint64_t extents[100];
    size_t done;

    start();
    fake.no_blocks = true;
    CU_ASSERT_EQUAL(build(&built), 0);
    CU_ASSERT_EQUAL(fake.populated, PAGES);
    fake.most = 30;
    for (unsigned i = 0; i < 100; i++)
        extents[i] = i;
    CU_ASSERT_EQUAL(hv_populate(&hv, DOMID, 0, extents, 100, &done, &error), -VANE_NO_RESOURCE);
    CU_ASSERT_EQUAL(done, 30);
    CU_ASSERT_EQUAL(extents[29], 29 + FIRST_FRAME);
    CU_ASSERT_EQUAL(extents[30], 30);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "30 of 100 blocks of 4 KiB"));
    hv_close(&hv);
}

// Each call fails once: but for blocks that single pages replace, there is no domain then.
static void undone(void)
{
    struct built built;
    unsigned last, refused = 0;

    start();
    CU_ASSERT_EQUAL(build(&built), 0);
    last = fake.nr_calls;
    CU_ASSERT(last > 15);
    for (unsigned i = 1; i <= last; i++) {
        int rc;

        hv_close(&hv);
        start();
        fake.fail_at = i;
        fake.restarts = 3;
        rc = build(&built);
        refused += rc != 0;
        CU_ASSERT_EQUAL(fake.nr_domains, rc ? 0 : 1);
        CU_ASSERT(!rc || (rc == -VANE_NO_RESOURCE && error.text[0]));
    }
    CU_ASSERT_EQUAL(refused, last - 1);
    hv_close(&hv);
}

static void no_such_domain(void)
{
    struct hv_domain domain;

    start();
    CU_ASSERT_EQUAL(hv_domain_info(&hv, DOMID, &domain, &error), 0);
    CU_ASSERT(domain.shut_down && domain.reason == HV_CRASH && !domain.dying);
    CU_ASSERT_EQUAL(hv_domain_info(&hv, 3, &domain, &error), -VANE_NOT_FOUND);
    CU_ASSERT_EQUAL(hv_domain_info(&hv, 9, &domain, &error), -VANE_NOT_FOUND);
    CU_ASSERT_EQUAL(hv_domain_pause(&hv, 9, &error), -VANE_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(error.text, "there is no domain 9");
    CU_ASSERT_EQUAL(hv_domain_set_credit(&hv, DOMID, 0, 0, &error), -VANE_INVALID);
    hv_close(&hv);
    CU_ASSERT_EQUAL(hv_open(&hv, "/nowhere", &error), -VANE_NOT_FOUND);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "builds", builds },
        { "memory_in_pieces", memory_in_pieces },
        { "undone", undone },
        { "no_such_domain", no_such_domain },
        { NULL, NULL },
    };

    return unit_main("vane_hv", tests);
}
