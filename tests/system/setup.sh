# SPDX-License-Identifier: MIT
# What rows of cases.sh name: functions that make a kernel (kernel_NAME prints its path), an input that
# is broken on purpose (broken_NAME prints its path), or add to the machine (with_NAME). A with_ function
# appends to machine (options of vm_run), qemu (arguments of QEMU), files (for initramfs_add) and
# dom0 (words of dom0's command line), and may replace initrd; $work is the case's own folder.
# shellcheck shell=bash disable=SC2154,SC2034,SC2054

# --- the machine ------------------------------------------------------------------------------------

with_reboot() { dom0+=" pv.end=reboot"; }

with_crash() { dom0+=" panic=1"; }

# For what makes a kernel complain by design, or makes Xen's.
with_complaints() { may_complain=1; }

with_dom0_mem() {
    machine+=(-a "dom0_mem=1024M,max:1024M")
    want_mem=1024
}

with_max_vcpus() {
    machine+=(-a "dom0_max_vcpus=3")
    want_cpus=3
}

with_gzip_initramfs() { filter_initrd="gzip -1"; }

with_virtio_disk() { root_disk virtio-blk-pci,drive=disk /dev/vda; }
with_virtio_disk_intx() { root_disk virtio-blk-pci,drive=disk,vectors=0 /dev/vda; }

with_ahci_disk() {
    qemu+=(-device ahci,id=ahci)
    root_disk ide-hd,drive=disk,bus=ahci.0 /dev/sda
}

# The disk is made of the very initramfs that moves to it, once that is complete.
root_disk() {
    qemu+=(-drive "if=none,id=disk,format=raw,file=$work/disk.img" -device "$1")
    dom0+=" pv.root=$2"
    want_disk=$work/disk.img
}

with_virtio_net() { network virtio-net-pci,netdev=net; }
with_virtio_net_intx() { network virtio-net-pci,netdev=net,vectors=0; }
with_e1000_net() { network e1000,netdev=net; }

# QEMU's user network hands a connection to a program: one port sends the data, one sums what comes.
network() {
    local data=$PV_CACHE/100MiB
    random_data "$data"
    echo "head -c 104857600 | md5sum > $work/uploaded.md5" > "$work/receive"
    qemu+=(-netdev "user,id=net,guestfwd=tcp:10.0.2.100:1-cmd:cat $data,guestfwd=tcp:10.0.2.100:2-cmd:sh $work/receive"
        -device "$1")
    files+=("$data.md5=test/100MiB.md5")
}

# Cases that run at the same time share the data; one of them makes them.
random_data() {
    (
        flock 9
        [ -e "$1.md5" ] || { head -c 104857600 /dev/urandom > "$1" && md5sum < "$1" > "$1.md5"; }
    ) 9> "$1.lock"
}

# The store and its command line, with the C library.
with_store() { built_programs xenstore-like/vane-stored xenstore-like/vane-store; }
with_vane() {
    built_programs tests/tools/vane-build
    files+=("$PV_SYSTEM/dom0/vane-lib.sh")
}

with_toolstack() {
    built_programs dom0-tools/vaned dom0-tools/vane xenstore-like/vane-stored xenstore-like/vane-store
    files+=("$PV_SYSTEM/dom0/vane-lib.sh")
}

with_vane_blk() { built_programs pv-drivers/vane-blk xenstore-like/vane-store; }
with_vane_net() { built_programs pv-drivers/vane-net xenstore-like/vane-store; }

with_vaned() {
    with_toolstack
    built_programs tests/tools/vane-build
}

# The smallest guest there is, and how often daemons are killed beside it.
with_tiny() { files+=("$PV_BUILD/tests/guest/tiny.elf=guest/tiny"); }
# The guests of pv-drivers/guest. The second is made when it is wanted: its TCP/IP is fetched.
with_bench_guest() { files+=("$PV_BUILD/pv-drivers/guest/bench.elf=guest/bench"); }
with_hostile_guest() { files+=("$PV_BUILD/tests/drivers/hostile.elf=guest/hostile"); }
with_http_guest() {
    (flock 9 && PV_CACHE=$PV_CACHE make -s -C "$PV_BUILD" pv-drivers/guest/http.elf) 9> "$PV_CACHE/lwip.lock" >&2 || return 1
    files+=("$PV_BUILD/pv-drivers/guest/http.elf=guest/http")
    limit=1200
}
with_kills() {
    dom0+=" pv.kills=${KILLS:-$([ -n "${FULL:-}" ] && echo 200 || echo 12)} ${SEED:+pv.seed=$SEED}"
    limit=1800
}

# A kernel for guests whose lz4 an emulated CPU unpacks in a tenth of the time of xz.
with_guest_lz4() {
    bzimage_unpack "$(realpath "$image")" > "$work/vmlinux" &&
        bzimage_repack "$(realpath "$image")" "$work/vmlinux" "$work/vmlinuz-lz4" lz4 -l -1 - - || return 1
    files+=("$work/vmlinuz-lz4=guest/vmlinuz")
}

# And a guest with drivers, and with these FILES in its initramfs.
with_more_in_guest() {
    with_guest_lz4 && guest_image "$series" "$work/guest-io.cpio" && initramfs_add "$work/guest-io.cpio" "$work/guest-more.cpio" "$@" &&
        gzip -1 < "$work/guest-more.cpio" > "$work/initrd-io" || return 1
    files+=("$work/initrd-io=guest/initrd-io")
}

with_guest_io() { with_more_in_guest; }

with_fio() {
    (flock 9 && programs_fetch "$PV_CACHE/fio" fio usr/bin/fio) 9> "$PV_CACHE/fio.lock" >&2 || return 1
    printf '#!/bin/sh\nexec /fio/lib64/ld-linux-x86-64.so.2 --library-path /fio/usr/lib /fio/usr/bin/fio "$@"\n' > "$work/fio"
    chmod +x "$work/fio"
    with_more_in_guest "$PV_CACHE/fio/image=fio" "$work/fio=bin/fio"
}

# That guest and dom0 load networks.
with_netload() {
    gcc -std=gnu11 -O2 -Wall -Wextra -static -o "$work/netload" "$PV_ROOT/tests/bench/netload.c" &&
        with_more_in_guest "$work/netload=bin/netload" || return 1
    files+=("$work/netload=bin/netload")
}

# A disk that takes no time, so that what is before it shows; and a clock that counts the machine's instructions, with ICOUNT=1.
with_null_disk() { qemu+=(-drive "if=none,id=null,format=raw,file.driver=null-co,file.size=64M,file.read-zeroes=on" -device virtio-blk-pci,drive=null); }
with_icount() { [ -z "${ICOUNT:-}" ] || qemu+=(-icount shift=0,sleep=off) limit=3600; }

# built_programs PROGRAM...: of the build folder, in dom0's /bin, with the libraries that they name
built_programs() {
    local file
    for file; do files+=("$PV_BUILD/$file=bin/$(basename "$file")"); done
    for file in $(for file; do ldd "$PV_BUILD/$file"; done | grep -o '/[^ ]*' | sort -u); do
        files+=("$(realpath "$file")=${file#/}")
    done
}

# A disk that is not raw, and what reads it.
with_qcow2() {
    local file
    head -c 2M /dev/urandom > "$work/disk.raw" && qemu-img convert -c -O qcow2 "$work/disk.raw" "$work/disk.qcow2" || return 1
    md5sum < "$work/disk.raw" | cut -c 1-32 > "$work/disk.md5"
    files+=("$work/disk.qcow2=guest/disk.qcow2" "$work/disk.md5=guest/disk.md5" /usr/bin/qemu-storage-daemon=bin/qemu-storage-daemon)
    for file in $(ldd /usr/bin/qemu-storage-daemon | grep -o '/[^ ]*'); do files+=("$(realpath "$file")=${file#/}"); done
}

with_stress_ng() {
    programs_fetch "$PV_CACHE/stress-ng" stress-ng usr/bin/stress-ng || return 1
    files+=("$PV_CACHE/stress-ng/image/usr=usr" "$PV_CACHE/stress-ng/image/lib64=lib64")
    dom0+=" pv.seconds=$([ -n "${FULL:-}" ] && echo 300 || echo 60)"
}

# Debian's toolstack, and a guest for it to run.
with_xen_tools() {
    local bin=usr/lib/xen-4.17/bin
    (flock 9 && programs_fetch "$PV_CACHE/xen-tools" xen-utils-4.17 $bin/xl $bin/libxl-save-helper $bin/xenstored \
        $bin/xenconsoled $bin/xen-init-dom0 usr/bin/xenstore-read) 9> "$PV_CACHE/xen-tools.lock" >&2 || return 1
    files+=("$PV_CACHE/xen-tools/image/usr=usr" "$PV_CACHE/xen-tools/image/lib64=lib64")
    with_guest
}

# A guest: dom0's own kernel with an initramfs that answers on its console.
with_guest() {
    local root=$work/guest
    busybox_copy "$root"
    mkdir -p "$root/dev" "$root/proc"
    install -m 755 "$PV_SYSTEM/dom0/guest-init" "$root/init"
    cpio_pack "$root" "$work/guest.cpio"
    files+=("$work/guest.cpio=guest/initrd" "$(realpath "$image")=guest/vmlinuz")
    machine+=(-a "dom0_mem=1024M,max:1024M")
}

with_selftests_bar() { selftests bar; }
with_selftests_aim() { selftests aim; }

selftests() {
    (flock 9 && selftests_build "$PV_CACHE/selftests") 9> "$PV_CACHE/selftests.lock" >&2 || return 1
    files+=("$PV_CACHE/selftests=test/x86" "$PV_SYSTEM/selftests.list=test/selftests.list")
    # On one CPU Linux makes LOCK prefixes DS prefixes, which TCG gets wrong (docs/qemu.md).
    dom0+=" pv.selftests=$1 noreplace-smp"
}

# The same files by GRUB's multiboot 2 from an ISO, in place of QEMU's own loader.
with_grub() { want_iso=$work/boot.iso; }

# iso_image OUT KERNEL INITRD
iso_image() {
    local root=$work/iso
    mkdir -p "$root/boot/grub"
    cp -L "$HV" "$root/boot/hypervisor"
    cp -L "$2" "$root/boot/vmlinuz"
    cp -L "$3" "$root/boot/initrd"
    cat > "$root/boot/grub/grub.cfg" <<-END
	serial --unit=0 --speed=115200
	terminal_output serial
	multiboot2 /boot/hypervisor console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all
	module2 /boot/vmlinuz console=hvc0$dom0
	module2 /boot/initrd
	boot
	END
    grub-mkrescue -o "$1" "$root" -- -volid PARAVANE > "$work/grub.log" 2>&1
    rm -rf "$root"
}

# --- programs for dom0 ------------------------------------------------------------------------------

# Every package that PKG (or each of several) needs, by name, itself first.
# shellcheck disable=SC2086 # one name or several
package_closure() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances $1 | grep '^[a-z]'
}

# DIR/image: programs FILE... of PACKAGE and what it needs, their libraries and the dynamic linker, no more. It is there
# complete or not at all.
programs_fetch() {
    local dir=$1 package root=$1/root image=$1/image.new program file libs list
    [ -e "$dir/image" ] && return 0
    for package in $(package_closure "$2"); do
        deb_unpack "$package" "$root" || return 1
    done
    shift 2
    # Some packages keep libraries in folders of their own.
    libs=$(find "$root/lib" "$root/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
    rm -rf "$image"
    mkdir -p "$image/lib64" "$image/usr/lib"
    cp -L "$root/lib64/ld-linux-x86-64.so.2" "$image/lib64/"
    for program; do
        install -D "$root/$program" "$image/$program"
        list=$("$root/lib64/ld-linux-x86-64.so.2" --library-path "$libs" --list "$root/$program") || return 1
        for file in $(sed -n 's/.*=> \([^ ]*\) .*/\1/p' <<< "$list"); do
            [ "${file##*/}" = ld-linux-x86-64.so.2 ] || cp -L "$file" "$image/usr/lib/"
        done
    done
    # What glibc loads by itself when a thread is cancelled.
    find "$root" -name libgcc_s.so.1 -exec cp -L {} "$image/usr/lib/" \;
    mv "$image" "$dir/image"
}

# DIR: the kernel's x86 self-tests, static, 64 and 32 bit. It is there complete or not at all.
selftests_build() {
    local dir=$1 work=$1.new tests=linux-source-6.1/tools/testing/selftests/x86 name bits
    [ -e "$dir" ] && return 0
    rm -rf "$work"
    mkdir -p "$work/bin"
    deb_unpack linux-source-6.1 "$work" || return 1
    tar -xJf "$work/usr/src/linux-source-6.1.tar.xz" -C "$work" "$tests" "${tests%x86}kselftest.h" \
        linux-source-6.1/arch/x86/include || return 1
    while read -r name bits _; do
        case $name in '' | '#'*) continue ;; esac
        selftest_compile "$work/$tests" "$name" "$bits" "$work/bin/${name}_$bits" || return 1
    done < "$PV_SYSTEM/selftests.list"
    mv "$work/bin" "$dir" && rm -rf "$work"
}

# What single tests need beyond the flags of all.
selftest_compile() {
    local source=$1 name=$2 bits=$3 out=$4 extra=()
    case $name-$bits in
    sysret_ss_attrs-64) extra=("$source/thunks.S") ;;
    test_syscall_vdso-32) extra=("$source/thunks_32.S") ;;
    ptrace_syscall-32) extra=("$source/raw_syscall_helper_32.S") ;;
    check_initial_reg_state-*) extra=(-Wl,-ereal_start -static) ;;
    esac
    gcc "-m$bits" -O2 -w -std=gnu99 -pthread -no-pie -static -DCAN_BUILD_32 -DCAN_BUILD_64 \
        -Wl,--no-warnings -o "$out" "$source/$name.c" "${extra[@]}" -lrt -ldl -lm
}

# --- kernels in other clothes -----------------------------------------------------------------------

# bzimage_field FILE OFFSET SIZE: a little-endian number of the boot protocol's header
bzimage_field() { od -An -v -j "$2" -N "$3" -t "u$3" "$1" | tr -d ' '; }

# Where the payload of a bzImage starts: after the setup sectors, at payload_offset.
bzimage_payload_at() {
    echo $((($(bzimage_field "$1" $((0x1f1)) 1) + 1) * 512 + $(bzimage_field "$1" $((0x248)) 4)))
}

bzimage_payload() {
    tail -c "+$(($(bzimage_payload_at "$1") + 1))" "$1" | head -c "$(bzimage_field "$1" $((0x24c)) 4)"
}

# The four bytes after the compressed data are its size unpacked, which unpackers take for rubbish.
bzimage_unpack() {
    local unpack="xz --single-stream"
    [ "$(bzimage_payload "$1" | head -c 4 | od -An -tx1 | tr -d ' ')" != 28b52ffd ] || unpack=zstd
    # shellcheck disable=SC2086 # a program and its options
    bzimage_payload "$1" | { $unpack -dc 2>/dev/null || true; }
}

u32() { printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) \
    $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"; }

# bzimage_repack OLD VMLINUX OUT COMMAND...: OLD with its payload replaced by what COMMAND packs
bzimage_repack() {
    local old=$1 vmlinux=$2 out=$3 start length
    shift 3
    start=$(bzimage_payload_at "$old")
    { head -c "$start" "$old" && "$@" < "$vmlinux" && u32 "$(stat -c %s "$vmlinux")"; } > "$out"
    length=$(($(stat -c %s "$out") - start))
    u32 $length | dd of="$out" bs=1 seek=$((0x24c)) conv=notrunc status=none
}

kernel_plain_elf() {
    bzimage_unpack "$(kernel_dir 6.1)/vmlinuz" > "$work/vmlinux"
    echo "$work/vmlinux"
}

kernel_gzip_payload() {
    bzimage_repack "$(kernel_dir 6.1)/vmlinuz" "$(kernel_plain_elf)" "$work/vmlinuz" gzip -1 &&
        echo "$work/vmlinuz"
}

kernel_lz4_payload() {
    bzimage_repack "$(kernel_dir 6.1)/vmlinuz" "$(kernel_plain_elf)" "$work/vmlinuz" lz4 -l -1 - - &&
        echo "$work/vmlinuz"
}

# --- broken on purpose ------------------------------------------------------------------------------

broken_truncated() { head -c 4000000 "$(kernel_dir 6.1)/vmlinuz" > "$work/k" && echo "$work/k"; }
broken_stub() { head -c 600 "$(kernel_dir 6.1)/vmlinuz" > "$work/k" && echo "$work/k"; }
broken_text() { seq 100000 > "$work/k" && echo "$work/k"; }
broken_not_xen() { cp "$(command -v busybox)" "$work/k" && echo "$work/k"; }
broken_damaged_xz() { damage "$(kernel_dir 6.1)/vmlinuz"; }
broken_damaged_zstd() { damage "$(kernel_dir 6.12)/vmlinuz"; }

damage() {
    cp -L "$1" "$work/k"
    head -c 4096 /dev/zero | dd of="$work/k" bs=4096 seek=500 conv=notrunc status=none
    echo "$work/k"
}
