# SPDX-License-Identifier: MIT
# Run in dom0 after each boot of the matrix: what it runs on, all CPUs there, nobody complained.

. /test/lib.sh
expect hypervisor-type xen "$(cat /sys/hypervisor/type 2>&1)"
expect cpus "$(cmdline pv.cpus)" "$(nproc)"
expect dmesg-clean '' "$(complaints)"
