# SPDX-License-Identifier: MIT
# Run in dom0: a guest that vaned runs has a disk of vane-blk's and a NIC of vane-net's, which are killed while it writes and
# fetches, and a disk and a NIC of dom0's kernel, through a reboot to its end.

. /test/vane-lib.sh
tools_setup
back_ends_ready
toolstack_up

# ask WORDS: run by the guest's shell; what it prints is in the log
ask() { (echo "$1"; sleep 1; printf '\035') | vane console --take io > /dev/null; }
hears() { check "$1" wait_for 60 logs io "$2"; }

new_disk
dd if=/dev/urandom of=/tmp/disk2 bs=1M count=1 2> /dev/null
sum2=$(md5sum < /tmp/disk2 | cut -c 1-32)
uuid=8d8b3f0e-3f3c-4f0a-9d5e-0123456789ab mac=00:16:3e:01:02:03
cat > /tmp/io.xml << END
<domain type='xen'>
  <name>io</name><uuid>$uuid</uuid><memory unit='MiB'>160</memory>
  <os><type>xen</type><kernel>/guest/vmlinuz</kernel><initrd>/guest/initrd-io</initrd>
    <cmdline>console=hvc0 quiet pv.net=10.0.0.2</cmdline></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='/tmp/disk'/><target dev='xvda' bus='xen'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='kernel' type='raw'/><source file='/tmp/disk2'/><target dev='xvdb' bus='xen'/><readonly/>
    </disk>
    <interface type='bridge'>
      <mac address='$mac'/><source bridge='br0'/><ip address='10.0.0.2'/><driver name='qemu' queues='2'/>
    </interface>
    <interface type='bridge'><source bridge='br0'/><driver name='kernel'/></interface>
  </devices>
</domain>
END
check define vane define /tmp/io.xml
check start vane start io
id=$(vane show io | sed -n 's/^id *//p')
check ready wait_for 60 logs io 'guest ready'
devices_work
ask 'echo sum2-$(md5sum < /dev/xvdb | cut -c 1-32)'
hears guest-reads-the-kernels-disk "sum2-$sum2"
# killed DEVICE: it is, and another one serves soon
killed() {
    local served
    served=$(server "$1")
    kill -9 "$served"
    check "served-again-$1" wait_for 20 is_another "$1" "$served"
}
for device in xvda $mac; do
    expect "back-end-has-no-rights-$device" 'CapEff 0000000000000000 NoNewPrivs 1 Seccomp 2 ' \
        "$(sed -n 's/^\(CapEff\|NoNewPrivs\|Seccomp\):[[:space:]]*/\1 /p' "/proc/$(server "$device")/status" | tr '\n' ' ')"
done
ask 'for i in 1 2 3 4 5 6 7 8; do head -c 1m /dev/urandom > /tmp/f; dd if=/tmp/f of=/dev/xvda bs=64k seek=64 conv=fsync && sleep 1
done; echo wrote-all-$(md5sum < /tmp/f | cut -c 1-32)'
for _ in 1 2 3; do
    sleep 1
    killed xvda
done
hears writes-on 'wrote-all-[0-9a-f]'
check disk-metrics sh -c 'vane metrics | grep -q "^paravane_disk_written_bytes_total{domain=\"io\",disk=\"xvda\"} [1-9][0-9]\{6\}"'
expect nothing-is-lost "wrote-all-$(dd if=/tmp/disk bs=64k skip=64 count=16 2> /dev/null | md5sum | cut -c 1-32)" \
    "$(vane log io | grep -o 'wrote-all-[0-9a-f]\{32\}' | tail -n 1)"
mkdir -p /tmp/www
head -c 16m /dev/urandom > /tmp/www/f
httpd -p 10.0.0.1:80 -h /tmp/www
expect queues 2 "$(vane store read "/local/domain/0/backend/vane-net/$id/0/multi-queue-max-queues")"
ask 'wget -q -O /tmp/f http://10.0.0.1/f; echo got-$(md5sum < /tmp/f | cut -c 1-32)'
for _ in 1 2 3 4 5; do
    sleep 0.5
    killed $mac
done
check fetches-all-the-same wait_for 120 logs io "got-$(md5sum < /tmp/www/f | cut -c 1-32)"
ask 'ifconfig eth0 10.0.0.3; ping -c 1 -w 2 10.0.0.1 > /dev/null; echo stranger-$?; ifconfig eth0 10.0.0.2'
hears stranger-is-not-heard stranger-1
check address-is-learnt sh -c 'vane nics | grep -qE "^io .* 10[.]0[.]0[.]2( |$)"'
check strangers-is-not sh -c '! vane nics | grep -qE " 10[.]0[.]0[.]3( |$)"'
check filtered sh -c 'vane metrics | grep -q "^paravane_nic_filtered_total{domain=\"io\",nic=\"0\"} [1-9]"'
ip addr add 10.0.1.1/24 dev br0
ask 'ifconfig eth1 10.0.1.2 netmask 255.255.255.0 up; ping -c 1 -w 20 10.0.1.1 > /dev/null; echo kernel-$?'
hears kernels-nic kernel-0
check kernels-nic-metrics sh -c 'vane metrics | grep -q "^paravane_nic_sent_bytes_total{domain=\"io\",nic=\"1\"} [1-9]"'
check nic-metrics sh -c 'vane metrics | grep -q "^paravane_nic_sent_bytes_total{domain=\"io\",nic=\"0\"} [1-9][0-9]\{4\}"'
made=$(vane store read "/local/domain/$id/device/vif/1/mac")
check reboot vane reboot io
check ready-again wait_for 60 logs io 'guest ready' 2
check interfaces-are-gone wait_for 20 sh -c "! ip link show | grep vif$id"
id=$(vane show io | sed -n 's/^id *//p')
expect same-address "$made" "$(vane store read "/local/domain/$id/device/vif/1/mac")"
check ping-again ping -c 3 -w 30 10.0.0.2
check shutdown vane shutdown io
check powers-off wait_for 60 sh -c 'vane show io | grep -q "^state *off"'
check loop-is-free wait_for 20 sh -c '! losetup -a | grep -q /tmp/disk'
expect no-back-end-left '' "$(ls /run/vane/back)"
expect no-backend-left '' "$(vane store ls /local/domain/0/backend 2> /dev/null | grep "\"$id\"")"
cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
