# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Functions that system tests and ./demo share: fetch Debian's kernels, build dom0's initramfs, run a
# virtual machine and judge its serial log. Sourced by bash, never run; prints nothing of its own
# accord, keeps everything it makes below $PV_BUILD, and starts nothing that outlives it.
#
# Settings (environment)
#   PV_BUILD   build folder (the source tree's build/)
#   PV_CACHE   downloads and images made of them; kept between runs ($PV_BUILD/cache)
#   HV         hypervisor to boot, multiboot 1 ($PV_BUILD/hypervisor/paravane). Debian's Xen works too.
#
# Fetching
#   deb_fetch PKG                    prints the path of PKG's .deb in the cache, downloading it once
#   deb_unpack PKG DIR               unpacks PKG into DIR, once
#   kernel_package SERIES            prints the newest Debian kernel package of SERIES (6.1 or 6.12)
#   kernel_fetch SERIES DIR          DIR/vmlinuz, DIR/release and DIR/lib/modules of that package
#   hv_kind                          prints paravane or xen, whichever $HV is
# Images
#   initramfs_base KDIR OUT          busybox, drivers of KDIR and our /init, as an uncompressed cpio
#   initramfs_add BASE OUT FILE[=PATH]...   BASE plus files; dom0's /init runs /test/run if there is one
#   kernel_dir SERIES, initramfs SERIES     both of the above, made on first use; print the path
#   disk_image CPIO OUT MIB          an ext4 file system with the contents of an initramfs
# Running
#   vm_run LOG OPTION...             boots until the machine ends; see the table above vm_run
#                                    sets VM_END (poweroff reset stop timeout error) and VM_SECONDS.
#                                    The command $vm_before, if any, is run before each machine
#   vm_shell OPTION...               the same machine with its console on the terminal
# Judging
#   log_results LOG                  what dom0's script reported: lines PASS, FAIL and SKIP
#   log_value LOG NAME               value that dom0's script reported by `value NAME VALUE`
#   log_complaints LOG               lines in which a hypervisor or kernel complains
#   log_text LOG, log_last LOG       the log without time stamps, its last line

PV_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PV_BUILD=${PV_BUILD:-$PV_ROOT/build}
PV_CACHE=${PV_CACHE:-$PV_BUILD/cache}
PV_SYSTEM=$PV_ROOT/tests/system
HV=${HV:-$PV_BUILD/hypervisor/paravane}

# Drivers that dom0 may need before or after it has its root file system.
PV_DRIVERS="virtio_pci virtio_blk virtio_net e1000 ahci sd_mod ext4 crc32c_generic xen_blkfront xen_netfront
    xen_blkback xen_netback bridge tun loop xen_evtchn xen_gntdev
    xen_gntalloc xen_privcmd xenfs msr"

# What a healthy boot never prints, from whichever side. A word of the kernel's command line such as
# panic=1 is no complaint.
PV_COMPLAINT='\bWARN(ING)?\b|\bBUG\b|\bOops\b|Call Trace|[Pp]anic[ :]|PANIC|double fault|general protection'
PV_COMPLAINT+='|soft lockup|hard LOCKUP|rcu.*stall|[Uu]nhandled|Unable to init|Marking clocksource .xen'
PV_COMPLAINT+='|^Paravane: .*([Ww]arning|[Bb]ug|[Aa]ssert|[Cc]annot|[Ff]ailed)'

die() {
    echo "error: $*" >&2
    exit 1
}

# --- fetching ---------------------------------------------------------------------------------------

deb_fetch() {
    local found
    mkdir -p "$PV_CACHE"
    found=$(find "$PV_CACHE" -maxdepth 1 -name "$1_*.deb" | sort -V | tail -1)
    if [ -z "$found" ]; then
        (cd "$PV_CACHE" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2) ||
            die "cannot download package $1: check the network and /etc/apt/sources.list"
        found=$(find "$PV_CACHE" -maxdepth 1 -name "$1_*.deb" | sort -V | tail -1)
    fi
    echo "$found"
}

deb_unpack() {
    local stamp=$2/.unpacked/$1 deb
    [ -e "$stamp" ] && return 0
    deb=$(deb_fetch "$1") || return 1
    mkdir -p "$2/.unpacked"
    dpkg-deb -x "$deb" "$2" && : > "$stamp"
}

# Signed standard kernels only: -rt, -cloud, -unsigned and debug packages have longer names.
kernel_package() {
    local pattern
    case $1 in
    6.1) pattern='^linux-image-6\.1\.0-[0-9]+-amd64$' ;;
    6.12) pattern='^linux-image-6\.12\.[0-9]+\+deb12-amd64$' ;;
    *) die "no kernel series $1: 6.1 and 6.12 are known" ;;
    esac
    apt-cache search --names-only "$pattern" | cut -d ' ' -f 1 | sort -V | tail -1
}

kernel_fetch() {
    local package release dir=$2
    [ -e "$dir/release" ] && return 0
    package=$(kernel_package "$1")
    [ -n "$package" ] || die "apt knows no kernel $1: run apt-get update (Debian 12 with its updates)"
    deb_unpack "$package" "$dir" || return 1
    release=${package#linux-image-}
    # Compressed modules are unpacked here, once, rather than at each boot by an emulated CPU.
    find "$dir/lib/modules" -name '*.ko.xz' -exec xz -d {} +
    depmod -b "$dir" "$release" || return 1
    ln -sf "boot/vmlinuz-$release" "$dir/vmlinuz"
    echo "$release" > "$dir/release"
}

hv_kind() {
    if grep -aq Paravane "$HV" 2>/dev/null; then echo paravane; else echo xen; fi
}

# --- images -----------------------------------------------------------------------------------------

# Names of the files of modules and of all they depend on, relative to lib/modules/RELEASE.
module_files() {
    local kdir=$1 release
    shift
    release=$(< "$kdir/release")
    modprobe -d "$kdir" -S "$release" -a --show-depends "$@" 2>/dev/null |
        sed -n "s,^insmod .*/lib/modules/$release/\([^ ]*\).*,\1,p" | sort -u
}

# A module that the kernel of today has built in, or does not have, is simply not there.
modules_copy() {
    local kdir=$1 root=$2 release file from
    release=$(< "$kdir/release")
    from=$kdir/lib/modules/$release
    mkdir -p "$root/lib/modules/$release"
    # shellcheck disable=SC2086 # a list of names
    for file in $(module_files "$kdir" $PV_DRIVERS); do
        install -D -m 644 "$from/$file" "$root/lib/modules/$release/$file"
    done
    cp "$from"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/"
    depmod -b "$root" "$release"
}

busybox_copy() {
    local root=$1 busybox applet
    busybox=$(command -v busybox) || die "busybox is missing: install package busybox-static"
    mkdir -p "$root/bin"
    cp "$busybox" "$root/bin/busybox"
    ln -s bin "$root/sbin"
    for applet in $("$busybox" --list); do
        [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done
}

cpio_pack() {
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$2"
}

initramfs_base() {
    local kdir=$1 out=$2 root
    root=$(mktemp -d "$out.XXXXXX")
    mkdir -p "$root"/{dev,proc,sys,run,tmp,mnt,test,etc,lib}
    busybox_copy "$root"
    modules_copy "$kdir" "$root"
    install -m 755 "$PV_SYSTEM/dom0/init" "$root/init"
    install -m 644 "$PV_SYSTEM/dom0/lib.sh" "$root/test/lib.sh"
    cpio_pack "$root" "$out.new" && mv "$out.new" "$out"
    rm -rf "$root"
}

# A cpio archive may follow another in one initramfs; what comes later wins.
initramfs_add() {
    local base=$1 out=$2 root item from to
    shift 2
    root=$(mktemp -d "$out.XXXXXX")
    for item; do
        from=${item%%=*} to=${item#*=}
        [ "$to" != "$item" ] || to=test/$(basename "$from")
        mkdir -p "$root/$(dirname "$to")"
        cp -r "$from" "$root/$to"
    done
    cpio_pack "$root" "$out.more" && cat "$base" "$out.more" > "$out"
    rm -rf "$root" "$out.more"
}

kernel_dir() {
    kernel_fetch "$1" "$PV_CACHE/kernel-$1" >&2 && echo "$PV_CACHE/kernel-$1"
}

initramfs() {
    local out=$PV_CACHE/dom0-$1.cpio kdir
    kdir=$(kernel_dir "$1") || return 1
    if [ ! -e "$out" ] || [ -n "$(find "$PV_SYSTEM/dom0" "$PV_SYSTEM/lib.sh" -newer "$out")" ]; then
        initramfs_base "$kdir" "$out" || return 1
    fi
    echo "$out"
}

disk_image() {
    local cpio=$1 out=$2 mib=$3 root
    root=$(mktemp -d "$out.XXXXXX")
    # An initramfs is a row of archives; each cpio takes one and leaves the rest of the file.
    (cd "$root" && while cpio --quiet -idmu 2>/dev/null; do :; done) < "$cpio"
    truncate -s "${mib}M" "$out"
    mke2fs -q -F -t ext4 -d "$root" "$out"
    rm -rf "$root"
}

# --- running ----------------------------------------------------------------------------------------

# Options of vm_run and vm_shell, with what they are if not given:
#   -k FILE    dom0's kernel             -i FILE    dom0's initramfs (empty: none)
#   -s N       CPUs (1)                  -m MIB     memory (1024)
#   -c MODEL   CPU model (qemu64)        -t SECONDS limit (240)
#   -a STRING  more for the hypervisor   -A STRING  more for dom0's command line
#   -H STRING  the hypervisor's whole command line instead of ours
#   -x REGEXP  end the machine at this line (VM_END=stop)
#   -N COUNT   let it reboot; end it at the COUNTth match of -x
#   -b STRING  boot by these QEMU arguments instead of -kernel and -initrd
#   everything after -- goes to QEMU as it is
vm_options() {
    local option OPTIND=1
    vm_kernel='' vm_initrd='' vm_smp=1 vm_mem=1024 vm_cpu=qemu64 vm_limit=240 vm_hv='' vm_dom0=''
    vm_stop='' vm_count=1 vm_again=-no-reboot vm_boot='' vm_accel=tcg
    vm_hv_base='console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all'
    while getopts k:i:s:m:c:t:a:A:H:x:N:b: option; do
        case $option in
        k) vm_kernel=$OPTARG ;;
        i) vm_initrd=$OPTARG ;;
        s) vm_smp=$OPTARG ;;
        m) vm_mem=$OPTARG ;;
        c) vm_cpu=$OPTARG ;;
        t) vm_limit=$OPTARG ;;
        a) vm_hv+=" $OPTARG" ;;
        A) vm_dom0+=" $OPTARG" ;;
        H) vm_hv_base=$OPTARG ;;
        x) vm_stop=$OPTARG ;;
        N) vm_count=$OPTARG vm_again= ;;
        b) vm_boot=$OPTARG ;;
        *) die "vm_options: bad option" ;;
        esac
    done
    shift $((OPTIND - 1))
    vm_extra=("$@")
    # TCG's fault with SMAP stops Debian's Xen under the model max (see README.md), not ours.
    if [ "$vm_cpu" = max ] && [ "$(hv_kind)" = xen ]; then vm_cpu=max,-smap; fi
}

# QEMU's arguments for the machine that vm_options described, in the array vm_args. A multiboot
# module's name may not contain a comma or a blank, and names show up in logs: links keep them short.
vm_arguments() {
    local dir=$1 modules=''
    vm_args=(-accel "$vm_accel" -cpu "$vm_cpu" -smp "$vm_smp" -m "$vm_mem" -nodefaults -vga none -display none)
    [ -z "$vm_again" ] || vm_args+=("$vm_again")
    if [ -n "$vm_boot" ]; then
        # shellcheck disable=SC2206 # several arguments in one string
        vm_args+=($vm_boot "${vm_extra[@]}")
        return
    fi
    # QEMU copies nothing: a link to the real file serves.
    ln -sf "$(realpath "$HV")" "$dir/hv"
    [ -z "$vm_kernel" ] || { ln -sf "$(realpath "$vm_kernel")" "$dir/vmlinuz"
        modules="$dir/vmlinuz console=hvc0$vm_dom0"; }
    [ -z "$vm_initrd" ] || { ln -sf "$(realpath "$vm_initrd")" "$dir/initrd"
        modules+=",$dir/initrd"; }
    vm_args+=(-kernel "$dir/hv" -append "$vm_hv_base$vm_hv")
    [ -z "$modules" ] || vm_args+=(-initrd "$modules")
    vm_args+=("${vm_extra[@]}")
}

# Copies a serial log from stdin to stdout with the wall time of each line since the start, and
# returns 0 as soon as the COUNTth line matches PATTERN, 1 at the end of input.
log_stamp() {
    local start=${EPOCHREALTIME/./} pattern=$1 count=$2 line now
    while IFS= read -r line || [ -n "$line" ]; do
        now=$((${EPOCHREALTIME/./} - start))
        line=${line//[$'\r\e\f\a']/}
        printf '[%4d.%06d] %s\n' $((now / 1000000)) $((now % 1000000)) "$line"
        if [ -n "$pattern" ] && [[ $line =~ $pattern ]]; then
            count=$((count - 1))
            [ $count -gt 0 ] || return 0
        fi
    done 2>/dev/null
    return 1
}

# How a machine ended that nobody stopped: QEMU traces a shutdown request for a power-off only; a reset
# with -no-reboot leaves no such line.
vm_end_reason() {
    local status=$1 dir=$2
    case $status in
    0) if grep -q qemu_system_shutdown_request "$dir/trace"; then echo poweroff; else echo reset; fi ;;
    124 | 137) echo timeout ;;
    *) echo error ;;
    esac
}

# A kernel died of a breakpoint that is not there: the byte before <RIP> in its dump of the code is no int3. QEMU 7.2
# does that to any kernel that patches its code while another CPU thread translates it (docs/qemu.md).
log_shows_stale_int3() {
    log_text "$1" | awk '/int3: 0000/ { died = 1 } died && /Code: / { stale = !/ cc </; exit } END { exit stale != 1 }'
}

# One machine, from start to end. Once more, with all CPUs in one thread, if QEMU's fault with patched code ended it.
vm_run() {
    local log=$1
    shift
    vm_options "$@"
    vm_run_once "$log"
    log_shows_stale_int3 "$log" || return 0
    mv "$log" "$log.int3"
    vm_accel=tcg,thread=single
    vm_run_once "$log"
}

# The reader decides when a run is over; QEMU, the only child, is then ended by its process id.
vm_run_once() {
    local log=$1 dir stopped=1 status=0 begin=$EPOCHSECONDS pid
    dir=$(mktemp -d "${TMPDIR:-/tmp}/pv.XXXXXX")
    vm_arguments "$dir"
    ${vm_before:-:}
    mkfifo "$dir/serial"
    timeout -k 5 "$vm_limit" qemu-system-x86_64 "${vm_args[@]}" -serial stdio -monitor none \
        -D "$dir/trace" -trace qemu_system_shutdown_request \
        < /dev/null > "$dir/serial" 2>&1 &
    pid=$!
    log_stamp "$vm_stop" "$vm_count" < "$dir/serial" > "$log" && stopped=0
    [ $stopped = 1 ] || kill "$pid" 2>/dev/null
    wait "$pid" || status=$?
    touch "$dir/trace"
    if [ $stopped = 0 ]; then VM_END=stop; else VM_END=$(vm_end_reason $status "$dir"); fi
    # shellcheck disable=SC2034 # for the caller
    VM_SECONDS=$((EPOCHSECONDS - begin))
    rm -rf "$dir"
}

# Ctrl-A X ends QEMU, Ctrl-A C is its monitor.
vm_shell() {
    local dir status=0
    vm_options "$@"
    dir=$(mktemp -d "${TMPDIR:-/tmp}/pv.XXXXXX")
    vm_arguments "$dir"
    ${vm_before:-:}
    qemu-system-x86_64 "${vm_args[@]}" -serial mon:stdio || status=$?
    rm -rf "$dir"
    return $status
}

# --- judging ----------------------------------------------------------------------------------------

log_text() {
    sed 's/^\[ *[0-9.]*\] //' "$1"
}

log_last() {
    log_text "$1" | grep . | tail -n 1
}

# dom0 marks its results with @@, wherever on the line the console put them.
log_results() {
    sed -nE 's/.*@@ ((PASS|FAIL|SKIP) .*)/\1/p' "$1"
}

log_value() {
    sed -n "s/.*@@ VALUE $2 //p" "$1" | tail -1
}

log_complaints() {
    log_text "$1" | grep -E "$PV_COMPLAINT" | grep -vE 'ommand line:|@@ '
}
