# SPDX-License-Identifier: MIT
# Run in dom0: the benchmark guest of pv-drivers/guest, by vaned, with a disk of vane-blk's and then of dom0's kernel. It prints
# its table; it goes when it is asked to, and comes again.

. /test/vane-lib.sh
tools_setup
modprobe -a xen_blkback loop
toolstack_up

is() { vane show "$1" | grep -q "^state *$2\$"; }
# defined CMDLINE [DRIVER]: whose driver serves its disk
defined() {
    cat > /tmp/bench.xml << END
<domain type='xen'>
  <name>bench</name><memory unit='MiB'>24</memory>
  <os><type>xen</type><kernel>/guest/bench</kernel><cmdline>$1</cmdline></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='${2:-qemu}' type='raw'/><source file='/tmp/disk'/><target dev='xvda' bus='xen'/>
    </disk>
  </devices>
</domain>
END
    vane define /tmp/bench.xml
}

# measures NAME COUNT DRIVER: all of the table, that COUNTth time
measures() {
    local row number
    check "$1-define" defined 'seconds=1 write=yes' "$3"
    check "$1-start" vane start bench
    check "$1-ends" wait_for 120 logs bench 'bench: done' "$2"
    for row in hypercall event_to_self timer_late store_read disk_connected disk_size read_4k_1_iops read_4k_32_iops \
        read_128k_8_bytes write_4k_1_iops write_4k_32_iops write_128k_8_bytes; do
        number=$(vane log bench | tr -d '\r' | sed -n "s/.*\\b$row \\([0-9]*\\) .*/\\1/p" | tail -n 1)
        value "$1-$row" "$number"
        check "$1-row-$row" test "${number:-0}" -gt 0
    done
    expect "$1-sees-its-disk" 16 "$(vane log bench | sed -n 's/.*disk_size \([0-9]*\) MiB.*/\1/p' | tail -n 1)"
    check "$1-powers-off" wait_for 20 is bench off
}

dd if=/dev/zero of=/tmp/disk bs=1M count=16 2> /dev/null
measures ours 1 qemu
measures kernel 2 kernel
vane log bench

# Asked to go in the middle of its work; and without a disk it says so.
check define-again defined seconds=60
check start-again vane start bench
check is-at-work wait_for 30 logs bench disk_size 3
check shutdown vane shutdown bench
check shuts-down wait_for 20 is bench off
check define-third defined disk=7
check start-third vane start bench
check no-such-disk wait_for 30 logs bench 'disk 7: the guest has no such disk'

cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
