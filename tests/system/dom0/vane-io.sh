# SPDX-License-Identifier: MIT
# Run in dom0: a guest that libvane made has a disk and a network, both served by dom0's kernel.

. /test/vane-lib.sh
start_daemons
back_ends_ready

# ask WORDS: run by the guest's shell; what it prints is in the log
ask() { type_in "$id" "$1"; }
hears() { check "$1" wait_for 60 said io "$2"; }

new_disk
vane-build create io 160 1 /guest/vmlinuz /guest/initrd-io 'console=hvc0 quiet pv.net=10.0.0.2' \
    disk=xvda,/tmp/disk nic=br0 > /tmp/io.out
cat /tmp/io.out
id=$(domid_of /tmp/io.out)
check create test -n "$id"
check ready wait_for 60 said io 'guest ready'
said io 'guest ready' || { tail -n 20 $LOGS/guest-io.log; vane-build list; xenstore-ls -p "/local/domain/$id"; cat /tmp/store.log; ls $LOGS; }
devices_work
ask 'ping -c 1 -w 10 10.0.0.1 > /dev/null; echo ping-$?'
hears guest-pings ping-0
check asks-suspend vane-build request "$id" suspend
expect suspends suspend "$(vane-build wait "$id" 60)"
check resume vane-build resume "$id"
ask 'echo again-$((20 + 3)); md5sum < /dev/xvda > /dev/null; echo disk-$?'
hears goes-on-after-suspend again-23
hears disk-goes-on disk-0
expect disk-is-connected 4 "$(xenstore-read "/local/domain/$id/device/vbd/51712/state")"
check detach vane-build detach "$id" xvda
ask 'dd if=/dev/xvda of=/dev/null count=1 2> /dev/null; echo read-$?'
hears disk-is-gone read-1
check loop-is-free wait_for 20 sh -c '! losetup -a | grep -q /tmp/disk'
check asks vane-build request "$id" poweroff
expect shuts-down poweroff "$(vane-build wait "$id" 60)"
check destroy vane-build destroy "$id"
check interface-is-gone wait_for 20 sh -c "! ip link show vif$id.0"
expect no-backend-left '' "$(xenstore-ls /local/domain/0/backend 2> /dev/null | grep "\"$id\"")"
expect no-domain-left 1 "$(vane-build list | wc -l)"
expect dmesg-clean '' "$(complaints)"
