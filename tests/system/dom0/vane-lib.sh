# SPDX-License-Identifier: MIT
# For scripts that run our toolstack in dom0, beside Debian's xl and on Debian's daemons.

. /test/lib.sh
export PATH=$PATH:/usr/lib/xen-4.17/bin:/usr/bin LD_LIBRARY_PATH=/usr/lib
LOGS=/var/log/xen

said() { grep -aq "$2" "$LOGS/guest-$1.log"; }
type_in() { echo "$2" > "$(xenstore-read "/local/domain/$1/console/tty")"; }
now_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
# A process of ours; the shell may have met its end already.
ended() { ! grep -qs 'State:.[^Z]' "/proc/$1/status"; }
# The memory is as it was, to the page; Debian's Xen keeps a page or two of its own tables.
frees() {
    local now slack=0 tries=50
    [ "$(cat /sys/hypervisor/version/extra)" = .0-paravane ] || slack=8
    while now=$(vane-build free) && [ "$now" -lt $(($1 - slack)) ] && [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.2
    done
    [ "$now" -ge $(($1 - slack)) ] || { echo "$now of $1 pages are free"; return 1; }
}
is_gone() { ! xl domid "$1"; }
domid_of() { sed -n 's/^domid \([0-9]*\) .*/\1/p' "$1"; }

# Ours where the case brings it along, else Debian's.
start_store() {
    if type vane-stored > /dev/null 2>&1; then
        vane-stored > /tmp/store.log 2>&1 &
    else
        xenstored --pid-file /run/xenstored.pid
    fi
}

start_daemons() {
    tools_setup
    check store start_store
    check store-answers wait_for 20 test -S /run/xenstored/socket
    check init-dom0 xen-init-dom0
    check consoles xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=$LOGS
}

# Not to be run in a subshell: it sets vaned_pid.
start_vaned() {
    mkdir -p /run/vane
    vaned > /dev/null 2>> /tmp/vaned.log &
    vaned_pid=$!
    wait_for 30 vane list
}

# Ours, as most cases begin.
toolstack_up() {
    check store start_store
    check store-answers wait_for 20 test -S /run/xenstored/socket
    start_vaned
    check vaned vane list
}

# logs NAME WORDS [COUNT]: a guest of vaned has said them, so often
logs() { [ "$(vane log "$1" | grep -c "$2")" -ge "${3:-1}" ]; }

# dom0's kernel can serve disks and NICs, and vane-net has TAP devices.
back_ends_ready() {
    modprobe -a xen_blkback xen_netback bridge loop tun
    mkdir -p /dev/net
    [ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
    brctl addbr br0 && ip addr add 10.0.0.1/24 dev br0 && ip link set br0 up
}

# A guest's disk /tmp/disk, and whether that and its NIC serve it. The case says how it is asked: ask WORDS, hears NAME PATTERN.
new_disk() {
    dd if=/dev/urandom of=/tmp/disk bs=1M count=8 2> /dev/null
    sum=$(md5sum < /tmp/disk | cut -c 1-32)
}
devices_work() {
    ask 'echo sum-$(md5sum < /dev/xvda | cut -c 1-32)'
    hears guest-reads-the-disk "sum-$sum"
    ask 'echo written-by-the-guest | dd of=/dev/xvda bs=512 seek=3 conv=sync,fsync; echo wrote-$?'
    hears guest-writes wrote-0
    expect dom0-reads-what-it-wrote written-by-the-guest \
        "$(dd if=/tmp/disk bs=512 skip=3 count=1 2> /dev/null | head -n 1)"
    check ping ping -c 3 -w 30 10.0.0.2
}

# Of the guest with this $uuid: server DEVICE prints the number of the process that serves it; is_another DEVICE NUMBER: one that
# lives, and not that one
server() { od -An -t d4 "/run/vane/back/$uuid/$1/lock" | tr -d ' '; }
is_another() { [ "$(server "$1")" != "$2" ] && [ -d "/proc/$(server "$1")" ]; }
