# SPDX-License-Identifier: MIT
# Run in dom0: a CPU leaves and comes back, three times, and then does work.

. /test/lib.sh
online=/sys/devices/system/cpu/cpu1/online
full=$(nproc)
for round in 1 2 3; do
    echo 0 > $online
    [ "$(nproc)" = $((full - 1)) ] || fail hotplug-off "round $round: $(nproc) CPUs of $full left"
    echo 1 > $online
    [ "$(nproc)" = "$full" ] || fail hotplug-on "round $round: $(nproc) CPUs of $full are back"
done
check hotplug taskset 2 busybox true
expect hotplug-dmesg '' "$(complaints)"
