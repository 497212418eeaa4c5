# SPDX-License-Identifier: MIT
# Run in dom0: CPUs, memory, switches and faults under load for pv.seconds, between two bursts of clock
# stamps that the host compares with its own clock.

. /test/lib.sh
marks() {
    for i in $(seq 40); do
        echo "@@ MARK $1" | ts '%.s' | sed 's/^\([0-9.]*\) \(.*\)/\2 \1/'
        sleep 0.05
    done
}

export LD_LIBRARY_PATH=/usr/lib
marks start
check stress-ng /usr/bin/stress-ng --cpu 2 --vm 2 --vm-bytes 128M --switch 2 --fault 2 --verify \
    --timeout "$(cmdline pv.seconds)" --temp-path /tmp
marks end
expect stress-dmesg '' "$(complaints)"
