# SPDX-License-Identifier: MIT
# Run in dom0 by bash: forty guests with Debian's kernel beside each other. Each answers on its console; the last is made
# as fast as the first; all together they cost nothing while idle; nothing of them is left at the end.

. /test/xl-lib.sh
start_tools
GUESTS=$(cmdline pv.guests)
IDLE_SECONDS=30

ports() { lsevtchn 0 | wc -l; }
nodes() { xenstore-ls / | wc -l; }
state() { echo "$(domstat | awk '$1 == "free" { print $2 }') pages free, $(ports) event channels, $(nodes) nodes"; }
is_as() { [ "$(state)" = "$1" ]; }
microseconds() { echo "${EPOCHREALTIME/./}"; }

# What dom0 spends on a guest until it could run, in ms; the least of some. An end wakes one xl for each guest that there is, so
# that is let pass first.
creation() {
    local least=999999 from took
    for _ in 1 2 3 4 5; do
        sleep 2
        from=$(microseconds)
        quiet xl create -p "/tmp/$1.cfg" || return 1
        took=$((($(microseconds) - from) / 1000))
        least=$((took < least ? took : least))
        xl destroy "$1"
    done
    echo $least
}
make() { quiet xl create "/tmp/g$1.cfg" && guest_ready "g$1" 240; }
end() { quiet xl destroy "g$1"; }
answer() { ask "g$1" "echo alive-\$(($1 * 3))"; wait_for 60 said "g$1" "^alive-$(($1 * 3))"; }
all() { local i; for ((i = 1; i <= GUESTS; i++)); do "$1" $i || return 1; done; }

for ((i = 0; i <= GUESTS; i++)); do define g$i 96 1; done
# What dom0 and its tools need once for so many, they have then: ring 0 keeps a table of dom0's ports, for one.
make_paused() { quiet xl create -p "/tmp/g$1.cfg"; }
make 0 && end 0
all make_paused > /tmp/why || cat /tmp/why
all end
wait_for 60 sh -c "[ \$(xl list | wc -l) = 2 ]"
sleep 1
before=$(state)
first=$(creation g1)
all make > /tmp/why || { cat /tmp/why; tail -n 20 $LOGS/guest-g*.log; }
check all-made test "$(xl list | grep -c '^g[1-9]')" = "$GUESTS"
end $GUESTS
last=$(creation g$GUESTS)
check last-made-again make $GUESTS
figure creation-of-first "$first" ms
figure creation-of-last "$last" ms
check last-as-fast-as-first test $((last * 10)) -le $((first * 12))
check all-answer all answer
step all-listed sh -c "xl list | grep -c '^g[1-9]'"

sleep 5
domstat > /tmp/idle-before
sleep $IDLE_SECONDS
domstat > /tmp/idle-after
# Of one CPU, in parts of a million
share() { awk -v s=$IDLE_SECONDS -v kind="$1" 'NR == FNR { was[$1, $2] = $3; next }
    $1 == kind && ($2 > 0 || kind == "idle") { sum += $3 - was[$1, $2] } END { print int(sum / s / 1000) }' \
    /tmp/idle-before /tmp/idle-after; }
figure idle-guests "$(share dom)" 'ppm of a CPU'
echo "the CPUs idled for $(share idle) ppm of one"

check all-ended all end
check all-gone wait_for 60 sh -c "[ \$(xl list | wc -l) = 2 ]"
check as-before wait_for 20 is_as "$before"
echo "before: $before; after: $(state)"
