# SPDX-License-Identifier: MIT
# Run in dom0: the guests of pv-drivers/guest, by vaned, with disks of vane-blk's. The benchmark guest prints its table; it
# goes when it is asked to, and comes again.

. /test/vane-lib.sh
tools_setup
check store start_store
check store-answers wait_for 20 test -S /run/xenstored/socket
start_vaned
check vaned vane list

is() { vane show "$1" | grep -q "^state *$2\$"; }
# a_guest NAME MIB CMDLINE DISK [XML]: its definition
a_guest() {
    cat > "/tmp/$1.xml" << END
<domain type='xen'>
  <name>$1</name><memory unit='MiB'>$2</memory>
  <os><type>xen</type><kernel>/guest/$1</kernel><cmdline>$3</cmdline></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='$4'/><target dev='xvda' bus='xen'/>
    </disk>
    ${5:-}
  </devices>
</domain>
END
}

dd if=/dev/zero of=/tmp/disk bs=1M count=16 2> /dev/null
a_guest bench 24 'seconds=1 write=yes' /tmp/disk
check define-bench vane define /tmp/bench.xml
check start-bench vane start bench
check bench-ends wait_for 120 logs bench 'bench: done'
for row in hypercall event_to_self timer_late store_read disk_connected disk_size read_4k_1_iops read_4k_32_iops \
    read_128k_8_bytes write_4k_1_iops write_4k_32_iops write_128k_8_bytes; do
    number=$(vane log bench | tr -d '\r' | sed -n "s/.*\\b$row \\([0-9]*\\) .*/\\1/p")
    value "$row" "$number"
    check "row-$row" test "${number:-0}" -gt 0
done
expect bench-sees-its-disk 16 "$(vane log bench | sed -n 's/.*disk_size \([0-9]*\) MiB.*/\1/p')"
check bench-powers-off wait_for 20 is bench off
vane log bench

# Asked to go in the middle of its work; and without a disk it says so.
a_guest bench 24 seconds=60 /tmp/disk
check define-again vane define /tmp/bench.xml
check start-again vane start bench
check is-at-work wait_for 30 logs bench disk_size 2
check shutdown vane shutdown bench
check shuts-down wait_for 20 is bench off
a_guest bench 24 disk=7 /tmp/disk
check define-third vane define /tmp/bench.xml
check start-third vane start bench
check no-such-disk wait_for 30 logs bench 'disk 7: the guest has no such disk'

cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
