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
