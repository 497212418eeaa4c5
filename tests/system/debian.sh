# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Debian 12 for guests, built from its packages. Sourced after lib.sh.
#
#   debian_disk              prints the path of a disk image with Debian 12 as its one file system, made on first use. Root
#                            is logged in on the console; the job of demo/job runs at boot
#   debian_initramfs SERIES  prints the path of the initramfs that goes with it
#
# apt's own settings say where packages come from.

PV_DEBIAN_PACKAGES=busybox,iproute2
PV_DEBIAN_MIB=512
PV_DEBIAN_FILES=$PV_SYSTEM/demo
debian_hash() { sha256sum | cut -c 1-12; }

# The names say what the files were made of, so that another recipe makes others.
debian_disk() {
    local name tar out
    name=debian-12-$(echo "$PV_DEBIAN_PACKAGES" | debian_hash)
    tar=$PV_CACHE/$name.tar
    out=$PV_CACHE/$name-$(cat "$PV_SYSTEM/debian.sh" "$PV_DEBIAN_FILES"/{job,inittab} | debian_hash).img
    debian_step "$tar" debian_tree && debian_step "$out" debian_image "$tar" || exit 1
    echo "$out"
}

# debian_step OUT COMMAND...: COMMAND OUT.new ... makes OUT.new, once; what it says is in a log
debian_step() {
    local out=$1 what=$2
    shift 2
    [ ! -e "$out" ] || return 0
    "$what" "$out.new" "$@" > "$out.log" 2>&1 && mv "$out.new" "$out" && return 0
    tail -n 5 "$out.log" >&2
    die "Debian's file system for the guests could not be made of packages (the whole log is $out.log)"
}

# An archive of what the packages install
debian_tree() {
    local out=$1
    [ "$(id -u)" = 0 ] || { echo "only root can make a file system with root's files: run it once as root"; return 1; }
    debian_sources > "$out.list" && apt-config dump | grep '^Acquire::' > "$out.conf"
    [ -s "$out.list" ] || { echo "apt knows no Debian 12: see /etc/apt, then run apt-get update"; return 1; }
    mmdebstrap --mode=root --format=tar --variant=minbase --include="$PV_DEBIAN_PACKAGES" --aptopt="$out.conf" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        bookworm "$out" "$out.list" && rm -f "$out.list" "$out.conf"
}

# debian_image OUT TAR: a disk of it, with a guest's job
debian_image() {
    local out=$1 root=$1.root
    rm -rf "$root" && mkdir -p "$root" && tar -C "$root" -xf "$2" && debian_adapt "$root" && rm -f "$out" &&
        truncate -s "${PV_DEBIAN_MIB}M" "$out" &&
        mke2fs -q -F -t ext4 -L debian -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$out" && rm -rf "$root"
}

# Those of the host's sources that are Debian's own, as lines for a sources.list.
debian_sources() {
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg by=''
    [ ! -e $keys ] || by="[signed-by=$keys] "
    apt-get indextargets --format "deb $by\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 'Origin: Debian' |
        grep ' bookworm' | sort -u
}

# Who a guest is its command line says; only what all share is written here.
debian_adapt() {
    local root=$1 name
    install -m 755 -D "$PV_DEBIAN_FILES/job" "$root/usr/local/sbin/demo-job" &&
        install -m 644 "$PV_DEBIAN_FILES/inittab" "$root/etc/inittab" || return 1
    # What the kernel runs when xenbus asks for them, and it itself at the start.
    for name in init poweroff reboot; do ln -sf ../bin/busybox "$root/sbin/$name" || return 1; done
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
    : > "$root/etc/motd"
    rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
}

# shellcheck disable=SC2034 # initramfs_base reads it
debian_initramfs() {
    local PV_DRIVERS="xen_blkfront xen_netfront ext4 crc32c_generic" out=$PV_CACHE/debian-$1.cpio kdir
    kdir=$(kernel_dir "$1") || return 1
    if [ ! -e "$out" ] || [ -n "$(find "$PV_DEBIAN_FILES/init" "$PV_SYSTEM/lib.sh" "$kdir/release" -newer "$out")" ]; then
        initramfs_base "$kdir" "$out.base" && initramfs_add "$out.base" "$out" "$PV_DEBIAN_FILES/init=init" || return 1
        rm -f "$out.base"
    fi
    echo "$out"
}
