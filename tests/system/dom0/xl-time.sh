# SPDX-License-Identifier: MIT
# Run in dom0 by bash: the clocks of guests whose TSC is native, and of one as the tools have it by default. Whether each
# reads its clock without a system call and its TSC without a trap; that it stays right over a pause, a save and a restore.

. /test/xl-lib.sh
start_tools

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# clocks NAME: asks the guest's program. Sets what it says, each in ms, and when it was asked and had answered:
# mono, boot, real, vdso, ticks; from, to; its wall clock is behind dom0's by lag_least to lag_most.
asked=0
clocks() {
    asked=$((asked + 1)) from=$(now_ms)
    ask "$1" "echo answer-$asked-\$(clocks)"
    wait_for 60 said "$1" "^answer-$asked-clocks"
    to=$(now_ms)
    read -r _ mono boot real vdso ticks <<< "$(grep -a "^answer-$asked-clocks" "$LOGS/guest-$1.log" | tr -d '\r')"
    lag_least=$((from - real)) lag_most=$((to - real))
}

# within LEAST MOST IS
within() {
    [ "$3" -ge "$1" ] && [ "$3" -le "$2" ] && return 0
    echo "$3 ms, not $1 to $2"
    return 1
}

# goes_on NAME LEAST: after something that took LEAST ms or more: the clocks count what has passed since they were asked
# last, and the wall clock keeps its distance from dom0's, but for the two seconds by which Linux' resume may shift it.
goes_on() {
    local name=$1 least=$2 was_from=$from was_to=$to was_mono=$mono was_boot=$boot \
        was_least=$lag_least was_most=$lag_most
    clocks "${name%%-*}"
    check "$name-uptime" within "$least" $((to - was_from + 2000)) $((boot - was_boot))
    check "$name-monotonic" within 0 $((to - was_from + 2000)) $((mono - was_mono))
    check "$name-wall-clock" within $((was_least - (to - from) - 2500)) $((was_most + 2500)) "$lag_least"
}

# life NAME MODE: through all
life() {
    local name=$1
    define "$name" 128 2 "tsc_mode=\"$2\""
    quiet xl create "/tmp/$name.cfg"
    check "$name-ready" guest_ready "$name"
    ask "$name" 'clocks 3600 & echo source-$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)'
    wait_for 20 said "$name" '^source-[a-z]'
    clocks "$name"
    echo "tsc_mode $2: clock source $(sed -n 's/^source-\([a-z]*\).*/\1/p' "$LOGS/guest-$name.log"), read by $vdso," \
        "$ticks ticks from one RDTSC to the next, wall clock $lag_least to $lag_most ms behind dom0's: a kernel counts ticks" \
        "until it reads the hypervisor's clock, and an emulated CPU loses some"
    xl pause "$name"
    sleep 5
    xl unpause "$name"
    goes_on "$name-pause" 5000
    check "$name-save" quiet xl save "$name" /tmp/saved
    sleep 5
    check "$name-restore" quiet xl restore /tmp/saved
    rm -f /tmp/saved
    goes_on "$name-restore" 0
    check "$name-never-back" sh -c "! grep -a 'the clock went' $LOGS/guest-$name.log"
    quiet xl destroy "$name"
}

life native native
if grep -q nonstop_tsc /proc/cpuinfo; then
    check native-reads-by-vdso test "$vdso" = vdso
else
    skip native-reads-by-vdso "this machine's TSC is not invariant"
fi
check native-reads-the-tsc test "$ticks" -lt 400
life default default
echo "after a restore: read by $vdso, $ticks ticks from one RDTSC to the next"
