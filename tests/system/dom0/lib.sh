# SPDX-License-Identifier: MIT
# What a test script in dom0 reports with; sourced by busybox' sh. Each function prints one line on the
# console which the host's log_results and log_value find by its mark.

pass() { echo "@@ PASS $1"; }
fail() { echo "@@ FAIL $1: $2"; }
skip() { echo "@@ SKIP $1: $2"; }
value() { echo "@@ VALUE $1 $2"; }

# expect NAME WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected '$2', got '$3'"; fi
}

# check NAME COMMAND...: passes if the command succeeds; its last line of output says why if not
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "$(echo "$out" | tail -n 1)"; fi
}

# One word of the kernel's command line: cmdline NAME prints VALUE of NAME=VALUE
cmdline() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

# Complaints in the kernel's log so far, one line of each at most three
complaints() {
    dmesg | grep -E 'WARNING|BUG|Oops|Call Trace|rcu.*stall|soft lockup|hard LOCKUP|Marking clocksource .xen' |
        grep -v 'ommand line:' | head -n 3
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    local end=$(($(uptime_seconds) + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$(uptime_seconds)" -lt $end ] || { echo "waited in vain for: $*"; return 1; }
        sleep 0.2
    done
}

# What Debian's tools expect of a dom0 that has booted: folders, the hypervisor's devices, the loopback.
tools_setup() {
    mkdir -p /var/log/xen /var/lib/xen /var/lib/xenstored /var/run /run/xen /run/xenstored /run/lock /etc/xen /proc/xen
    [ -e /var/run/xen ] || ln -s /run/xen /run/xenstored /var/run/
    ln -s /run/lock /var/lock 2> /dev/null
    echo 'autoballoon="off"' > /etc/xen/xl.conf
    ifconfig lo 127.0.0.1 up
    modprobe -a xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc
    mount -t xenfs xenfs /proc/xen
}
