# SPDX-License-Identifier: MIT
# Run in dom0 after the disk and network were used: their interrupts came by a wire to the IO-APIC.

. /test/lib.sh
used() { awk -v kind="$1" '$0 ~ kind { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' /proc/interrupts; }
count=$(used 'ioapic-level.*(virtio|eth)')
value intx "$count"
check intx test "$count" -gt 100
