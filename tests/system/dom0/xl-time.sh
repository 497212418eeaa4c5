# SPDX-License-Identifier: MIT
# Run in dom0 by bash: the clocks of guests whose TSC is native, and of one as the tools have it by default. Whether each
# reads its clock without a system call and its TSC without a trap; that it stays right over a pause, a save and a restore.

. /test/xl-lib.sh
start_tools

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# clocks NAME: the line that the guest's program prints, without its first word
clocks() {
    local count
    count=$(grep -ac '^clocks ' $LOGS/guest-$1.log)
    ask "$1" clocks
    wait_for 30 sh -c "[ \$(grep -ac '^clocks ' $LOGS/guest-$1.log) -gt $count ]" || return 1
    grep -a '^clocks ' "$LOGS/guest-$1.log" | tail -n 1 | tr -d '\r' | cut -d' ' -f2-
}

# agrees NAME: its wall clock is dom0's, within what asking takes. Sets mono and boot.
agrees() {
    local from to real
    from=$(now_ms)
    read -r mono boot real vdso ticks <<< "$(clocks "$1")"
    to=$(now_ms)
    [ -n "$real" ] && [ "$real" -ge $((from - 1000)) ] && [ "$real" -le $((to + 1000)) ] && return 0
    echo "its wall clock says $real ms, dom0's $from to $to"
    return 1
}

# passed LEAST MOST WAS IS
passed() {
    [ $(($4 - $3)) -ge "$1" ] && [ $(($4 - $3)) -le "$2" ] && return 0
    echo "$(($4 - $3)) ms have passed, not $1 to $2"
    return 1
}

# life NAME MODE: through all
life() {
    local name=$1 at mono boot vdso ticks was_mono was_boot
    define "$name" 128 2 "tsc_mode=\"$2\""
    quiet xl create "/tmp/$name.cfg"
    check "$name-ready" guest_ready "$name"
    ask "$name" 'clocks 3600 & echo source-$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)'
    wait_for 20 said "$name" '^source-[a-z]'
    agrees "$name" > /tmp/why
    echo "tsc_mode $2: clock source $(sed -n 's/^source-\([a-z]*\).*/\1/p' "$LOGS/guest-$name.log"), read by $vdso," \
        "$ticks ticks from one RDTSC to the next"
    check "$name-clock" agrees "$name"
    at=$(now_ms) was_boot=$boot
    xl pause "$name"
    sleep 5
    xl unpause "$name"
    check "$name-after-pause" agrees "$name"
    agrees "$name" > /tmp/why
    check "$name-pause-counts" passed 5000 $(($(now_ms) - at + 1000)) "$was_boot" "$boot"
    was_mono=$mono was_boot=$boot at=$(now_ms)
    check "$name-save" quiet xl save "$name" /tmp/saved
    sleep 5
    check "$name-restore" quiet xl restore /tmp/saved
    rm -f /tmp/saved
    check "$name-after-restore" agrees "$name"
    agrees "$name" > /tmp/why
    check "$name-uptime-goes-on" passed 5000 $(($(now_ms) - at + 2000)) "$was_boot" "$boot"
    check "$name-monotonic-goes-on" passed 0 $(($(now_ms) - at)) "$was_mono" "$mono"
    check "$name-never-back" sh -c "! grep -a 'the clock went' $LOGS/guest-$name.log"
    last_vdso=$vdso last_ticks=$ticks
    quiet xl destroy "$name"
}

life native native
if grep -q nonstop_tsc /proc/cpuinfo; then
    check native-reads-by-vdso test "$last_vdso" = vdso
else
    skip native-reads-by-vdso "this machine's TSC is not invariant"
fi
check native-reads-the-tsc test "$last_ticks" -lt 400
life default default
echo "after a restore: read by $last_vdso, $last_ticks ticks from one RDTSC to the next"
