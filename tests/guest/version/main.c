// SPDX-License-Identifier: MIT
/*
 * xen_version: every sub-operation answers, in the form that Linux, xl and libvirt read.
 * Why: the first thing a kernel asks; a wrong feature bit sends it down a path we do not serve.
 */
#include "kit/kit.h"

#define BAD_HOLE ((void *)0xffff830000000000)           /* the hypervisor's own */
#define BAD_NONCANONICAL ((void *)0x0000800000000000)
#define BAD_UNMAPPED ((void *)0xffffffffbff00000)
#define BAD_WRAP ((void *)0xfffffffffffffff8)

static void version(void)
{
    CHECK_EQ(hyp_xen_version(XENVER_version, NULL), 4 << 16 | 17);
}

static bool is_string(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!s[i])
            return true;
    return false;
}

static void extraversion(void)
{
    char guard[32];

    memset(guard, 0x5a, sizeof(guard));
    CHECK_EQ(hyp_xen_version(XENVER_extraversion, guard), 0);
    CHECK(is_string(guard, XEN_EXTRAVERSION_LEN));
    CHECK_EQ(guard[XEN_EXTRAVERSION_LEN], 0x5a);
}

static void compile_info(void)
{
    static struct xen_compile_info info;

    memset(&info, 0x5a, sizeof(info));
    CHECK_EQ(hyp_xen_version(XENVER_compile_info, &info), 0);
    CHECK(is_string(info.compiler, sizeof(info.compiler)));
    CHECK(is_string(info.compile_by, sizeof(info.compile_by)));
    CHECK(is_string(info.compile_domain, sizeof(info.compile_domain)));
    CHECK(is_string(info.compile_date, sizeof(info.compile_date)));
}

static void capabilities(void)
{
    static char caps[1025];

    memset(caps, 0x5a, sizeof(caps));
    CHECK_EQ(hyp_xen_version(XENVER_capabilities, caps), 0);
    CHECK(is_string(caps, 1024));
    CHECK(str_has(caps, "xen-3.0-x86_64"));
    CHECK_EQ(caps[1024], 0x5a);
}

static void changeset(void)
{
    char s[65];

    s[64] = 0x5a;
    CHECK_EQ(hyp_xen_version(XENVER_changeset, s), 0);
    CHECK(is_string(s, 64));
    CHECK_EQ(s[64], 0x5a);
}

static void platform_parameters(void)
{
    struct xen_platform_parameters p = { 0 };

    CHECK_EQ(hyp_xen_version(XENVER_platform_parameters, &p), 0);
    CHECK_EQ(p.virt_start, 0xffff800000000000);
}

static void features(void)
{
    struct xen_feature_info f = { .submap_idx = 0 };

    CHECK_EQ(hyp_xen_version(XENVER_get_features, &f), 0);
    CHECK(f.submap & 1u << XENFEAT_dom0);
    CHECK(f.submap & 1u << XENFEAT_mmu_pt_update_preserve_ad);
    CHECK(f.submap & 1u << XENFEAT_pae_pgdir_above_4gb);
    CHECK(!(f.submap & 1u << XENFEAT_auto_translated_physmap));
    CHECK(!(f.submap & 1u << XENFEAT_supervisor_mode_kernel));
    f.submap_idx = 1;
    CHECK_EQ(hyp_xen_version(XENVER_get_features, &f), -XEN_EINVAL);
    f.submap_idx = ~0u;
    CHECK_EQ(hyp_xen_version(XENVER_get_features, &f), -XEN_EINVAL);
}

static void pagesize(void)
{
    CHECK_EQ(hyp_xen_version(XENVER_pagesize, NULL), 4096);
}

static void guest_handle(void)
{
    uint8_t handle[17];

    memset(handle, 0x5a, sizeof(handle));
    CHECK_EQ(hyp_xen_version(XENVER_guest_handle, handle), 0);
    CHECK_EQ(handle[16], 0x5a);
}

static void commandline(void)
{
    static char s[1025];

    s[1024] = 0x5a;
    CHECK_EQ(hyp_xen_version(XENVER_commandline, s), 0);
    CHECK(is_string(s, 1024));
    CHECK_EQ(s[1024], 0x5a);
}

static void build_id(void)
{
    struct {
        uint32_t len;
        uint8_t buf[64];
    } b = { .len = 64 };
    long size = hyp_xen_version(XENVER_build_id, NULL);

    if (size == -XEN_ENODATA) {
        test_skip("this build carries no build id");
        return;
    }
    CHECK(size > 0 && size <= 64);
    CHECK_EQ(hyp_xen_version(XENVER_build_id, &b), size);
    b.len = 1;
    CHECK_EQ(hyp_xen_version(XENVER_build_id, &b), -XEN_ENOBUFS);
    b.len = 0;
    CHECK_EQ(hyp_xen_version(XENVER_build_id, &b), -XEN_EINVAL);
}

static void bad_pointers(void)
{
    static const int cmds[] = { XENVER_extraversion, XENVER_compile_info, XENVER_capabilities,
                                XENVER_changeset, XENVER_platform_parameters, XENVER_get_features,
                                XENVER_guest_handle, XENVER_commandline };

    for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
        CHECK_EQ(hyp_xen_version(cmds[i], BAD_HOLE), -XEN_EFAULT);
        CHECK_EQ(hyp_xen_version(cmds[i], BAD_NONCANONICAL), -XEN_EFAULT);
        CHECK_EQ(hyp_xen_version(cmds[i], BAD_UNMAPPED), -XEN_EFAULT);
        CHECK_EQ(hyp_xen_version(cmds[i], BAD_WRAP), -XEN_EFAULT);
    }
}

static void unknown(void)
{
    CHECK_EQ(hyp_xen_version(11, NULL), -XEN_ENOSYS);
    CHECK_EQ(hyp_xen_version(-1, NULL), -XEN_ENOSYS);
    CHECK_EQ(hyp_xen_version(1000, NULL), -XEN_ENOSYS);
}

TESTS("version", TEST(version), TEST(extraversion), TEST(compile_info), TEST(capabilities), TEST(changeset),
      TEST(platform_parameters), TEST(features), TEST(pagesize), TEST(guest_handle), TEST(commandline),
      TEST(build_id), TEST(bad_pointers), TEST(unknown));
