# SPDX-License-Identifier: MIT
# Run in dom0 by ./demo --batch: says what it runs on, and reports whether that is what it should be.

. /test/lib.sh
echo "/sys/hypervisor/type:    $(cat /sys/hypervisor/type 2>&1)"
echo "/sys/hypervisor/version: $(cat /sys/hypervisor/version/major 2>&1).$(cat /sys/hypervisor/version/minor 2>&1)"
echo "kernel:                  $(uname -sr)"
echo "CPUs:                    $(nproc)"
echo "memory:                  $(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB"
expect hypervisor-type xen "$(cat /sys/hypervisor/type 2>&1)"
expect cpus "$(cmdline pv.cpus)" "$(nproc)"
