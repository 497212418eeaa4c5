# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Debian's own tools for a control domain: xl, xenstored, xenconsoled, the hotplug scripts and what they call, and Debian's
# Xen itself. Sourced after lib.sh.
#
#   xl_tools DIR            DIR/image: the tools as a tree that goes over dom0's initramfs (initramfs_add)
#   xen_image               prints the path of Debian's Xen, uncompressed
#   guest_image SERIES OUT  an initramfs for guests: OUT's /init runs tests/system/dom0/guest.sh

PV_XEN_TOOLS="xen-utils-4.17 xen-utils-common xenstore-utils bash iproute2 bridge-utils mount util-linux bsdutils coreutils"

xen_image() {
    local out=$PV_CACHE/xen-4.17-amd64
    if [ ! -e "$out" ]; then
        deb_unpack xen-hypervisor-4.17-amd64 "$PV_CACHE/xen" >&2 || return 1
        gzip -dc "$PV_CACHE/xen/boot/xen-4.17-amd64.gz" > "$out.new" && mv "$out.new" "$out" || return 1
    fi
    echo "$out"
}

# Only libraries are taken of what the tools depend on.
xl_tools() {
    local dir=$1 root=$1/root image=$1/image.new package
    [ -e "$dir/image" ] && return 0
    # shellcheck disable=SC2086 # a list of names
    for package in $PV_XEN_TOOLS $(package_closure "$PV_XEN_TOOLS" | grep -E '^(lib|zlib1g$)' |
        grep -vE '^lib(python|perl|nss|pam|sqlite|slang|newt|debian|text)' | sort -u); do
        deb_unpack "$package" "$root" || return 1
    done
    rm -rf "$image"
    mkdir -p "$image"/{bin,lib64,usr/bin,usr/lib/xen-4.17,lib/tools,etc,var/log/xen,var/lib/xen,run/xen,run/xenstored}
    xl_tools_copy "$root" "$image" && mv "$image" "$dir/image"
}

xl_tools_copy() {
    local root=$1 image=$2 file
    for file in bash stat flock losetup ip brctl script; do
        cp "$(find "$root"/{bin,sbin,usr/bin,usr/sbin} -maxdepth 1 -name "$file" | head -1)" "$image/bin/"
    done
    cp -a "$root/usr/lib/xen-4.17/bin" "$image/usr/lib/xen-4.17/"
    rm -f "$image"/usr/lib/xen-4.17/bin/{pygrub,xen-kdd,test-*,flask-*,xenpvnetboot,convert-legacy-stream,verify-stream-v2,depriv-fd-checker}
    cp "$root"/usr/bin/xenstore* "$image/usr/bin/"
    cp -a "$root/etc/xen" "$image/etc/"
    printf 'autoballoon="off"\nvif.default.bridge="br0"\n' > "$image/etc/xen/xl.conf"
    ln -s ../run "$image/var/run"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$image/lib64/"
    # xl aborts without what libpthread opens at run time.
    cp -L "$(find "$root" -name libgcc_s.so.1 | head -1)" "$image/lib/tools/"
    libraries_copy "$root" "$image"
}

# Libraries that programs in IMAGE name, and those that these name, until none is missing.
libraries_copy() {
    local root=$1 image=$2 name file missing
    while missing=$(libraries_missing "$image") && [ -n "$missing" ]; do
        for name in $missing; do
            file=$(find "$root/lib" "$root/usr/lib" -name "$name" | head -1)
            [ -n "$file" ] || die "no package of the tools has the library $name"
            cp -L "$file" "$image/lib/tools/$name"
        done
    done
}

libraries_missing() {
    local name
    find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec readelf -d {} + 2>/dev/null |
        sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | while read -r name; do
            [ -e "$1/lib64/$name" ] || [ -e "$1/lib/tools/$name" ] || echo "$name"
        done
}

# With drivers for what guests have only: 96 MiB leave little beside the kernel.
# shellcheck disable=SC2034 # initramfs_base reads it
guest_image() {
    local PV_DRIVERS="xen_blkfront xen_netfront xen_wdt ext4 crc32c_generic"
    gcc -std=gnu11 -O2 -Wall -Wextra -static -o "$2.clocks" "$PV_SYSTEM/clocks.c" &&
        initramfs_base "$(kernel_dir "$1")" "$2.base" &&
        initramfs_add "$2.base" "$2" "$PV_SYSTEM/dom0/guest.sh=test/run" "$2.clocks=bin/clocks"
}
