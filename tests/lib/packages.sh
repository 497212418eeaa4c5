# SPDX-License-Identifier: MIT
# The one list of Debian packages that building, testing and the demo need. A fresh Debian 12 with
# git has none of them. Sourced by common.sh; keep one line per purpose.
# shellcheck shell=bash disable=SC2034
PACKAGES=(
    # build
    gcc make autoconf automake libc6-dev binutils
    # static decompressors linked into the hypervisor
    liblzma-dev libzstd-dev zlib1g-dev liblz4-dev
    # the other decompressors, of guests' kernels
    libbz2-dev liblzo2-dev
    # the block backend, and a server for its tests
    liburing-dev libnbd-dev qemu-utils openssl
    # the network backend: bridges by rtnetlink, and a switch for its tests
    libmnl-dev openvswitch-switch
    # the toolstack
    libjansson-dev libxml2-dev libmicrohttpd-dev curl
    # unit and abi tests
    libcunit1-dev libxen-dev
    # the store beside Debian's: commands, and the libraries of its daemons
    xenstore-utils libxenmisc4.17
    # lint, measurements and tables
    python3 universal-ctags
    # booting: machines, disk images, initramfs
    qemu-system-x86 busybox-static cpio xz-utils kmod
    # disks and programs for dom0 in the system tests
    e2fsprogs gcc-multilib lz4 zstd
    # Debian for the demo's guests
    mmdebstrap
    # the boot ISO
    grub-pc-bin grub-common xorriso mtools
    # what Debian's minimal images leave out but fetching packages and tests use
    ca-certificates procps file
)
