# SPDX-License-Identifier: MIT
# Run in dom0: the kernel's own x86 self-tests. A line [FAIL] or death by a signal is a failure. Those
# marked `aim` in the list do not pass under Debian's Xen; they are reported, and are not held against us.

. /test/lib.sh
judge() {
    local name=$1 kind=$2 status=$3 log=$4 why
    why=$(grep -m 1 '\[FAIL\]' "$log" | tr -s '\t ' ' ')
    [ "$status" -lt 126 ] || why="ended by status $status; ${why:-$(tail -n 1 "$log")}"
    if [ -z "$why" ]; then pass "x86-$name"
    elif [ "$kind" = aim ]; then skip "x86-$name" "$why"
    else fail "x86-$name" "$why"; fi
}

while read -r name bits kind; do
    case $name in '' | '#'*) continue ;; esac
    [ "$kind" = "$(cmdline pv.selftests)" ] || continue
    (cd /tmp && timeout -s KILL 60 "/test/x86/${name}_$bits" > /tmp/log 2>&1 < /dev/null)
    judge "${name}_$bits" "$kind" $? /tmp/log
done < /test/selftests.list
