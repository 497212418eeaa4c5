# SPDX-License-Identifier: MIT
# Run in dom0 after each boot of the matrix: what it runs on, all CPUs and memory there, nobody complained.

. /test/lib.sh
expect hypervisor-type xen "$(cat /sys/hypervisor/type 2>&1)"
expect cpus "$(cmdline pv.cpus)" "$(nproc)"
mib=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
if [ "$mib" -ge "$(cmdline pv.minmem)" ] && [ "$mib" -le "$(cmdline pv.maxmem)" ]; then pass memory
else fail memory "$mib MiB, not between $(cmdline pv.minmem) and $(cmdline pv.maxmem)"; fi
# Or a kernel may put a device there.
check ioapic-reserved sh -c "dmesg | grep -q 'Xen: .mem 0x00000000fec00000-.* reserved'"
expect dmesg-clean '' "$(complaints)"
