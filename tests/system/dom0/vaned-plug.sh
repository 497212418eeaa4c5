# SPDX-License-Identifier: MIT
# Run in dom0: a guest that runs gets a second disk and a second NIC, uses them, keeps them over kills and a reboot, sees its disk
# grow, and loses them again; an attach that fails leaves nothing behind.

. /test/vane-lib.sh
tools_setup
back_ends_ready
brctl addbr br1 && ip addr add 10.0.1.1/24 dev br1 && ip link set br1 up
toolstack_up

# ask WORDS: run by the guest's shell; what it prints is in the log
ask() { (echo "$1"; sleep 1; printf '\035') | vane console --take plug > /dev/null; }
hears() { check "$1" wait_for 60 logs plug "$2" "${3:-1}"; }
# What is in the guest's folder in the store, of vbd or vif
numbers() { echo $(vane-store list "/local/domain/$id/device/$1" | sort -n); }
defined() { vane -o json show plug | grep -c "\"$1\""; }

new_disk
dd if=/dev/urandom of=/tmp/disk2 bs=1M count=2 2> /dev/null
sum2=$(md5sum < /tmp/disk2 | cut -c 1-32)
uuid=8d8b3f0e-3f3c-4f0a-9d5e-0123456789ab
cat > /tmp/plug.json << END
{ "name": "plug", "uuid": "$uuid", "memory_kib": 163840, "kernel": "/guest/vmlinuz", "initrd": "/guest/initrd-io",
  "cmdline": "console=hvc0 quiet pv.net=10.0.0.2", "disks": [{ "file": "/tmp/disk", "target": "xvda" }], "nics": [{ "bridge": "br0" }] }
END
check define vane define /tmp/plug.json
check start vane start plug
id=$(vane show plug | sed -n 's/^id *//p')
check ready wait_for 60 logs plug 'guest ready'
devices_work
first=$(server xvda)

# What cannot be is told, and nothing is there of it.
check no-such-file sh -c "vane attach disk plug target=xvdb file=/tmp/none 2>&1 | grep -q 'disk xvdb of plug: .*/tmp/none'"
check no-such-bridge sh -c "vane attach nic plug bridge=br7 2>&1 | grep -q 'there is no bridge br7: make it'"
expect nothing-is-left '51712 0 0' "$(numbers vbd) $(numbers vif) $(defined xvdb)"
expect folders 2 "$(ls "/run/vane/back/$uuid" | wc -l)"

check attach-disk vane attach disk plug target=xvdb file=/tmp/disk2
ask 'until [ -b /dev/xvdb ]; do sleep 1; done; echo sum2-$(md5sum < /dev/xvdb | cut -c 1-32)'
hears guest-reads-it "sum2-$sum2"
ask 'echo written-to-the-second | dd of=/dev/xvdb bs=512 seek=3 conv=sync,fsync; echo wrote2-$?'
hears guest-writes-it wrote2-0
expect dom0-reads-it written-to-the-second "$(dd if=/tmp/disk2 bs=512 skip=3 count=1 2> /dev/null | head -n 1)"
expect in-the-definition 1 "$(defined xvdb)"
expect first-disk-is-let-alone "$first" "$(server xvda)"

# It grows while the guest has it open.
ask '(sleep 60 < /dev/xvdb) & until [ $(cat /sys/block/xvdb/size) = 8192 ]; do sleep 1; done; echo grown-8192'
check resize vane resize disk plug xvdb 4
hears guest-sees-it-grow grown-8192
ask 'echo behind-the-old-end | dd of=/dev/xvdb bs=512 seek=8191 conv=sync,fsync; echo wrote3-$?'
hears guest-writes-there wrote3-0
expect dom0-reads-there behind-the-old-end "$(dd if=/tmp/disk2 bs=512 skip=8191 count=1 2> /dev/null | head -n 1)"
check does-not-shrink sh -c "vane resize disk plug xvdb 1 2>&1 | grep -q 'ask for more'"

mac=00:16:3e:0a:0b:0c
check attach-nic vane attach nic plug mac=$mac bridge=br1 ip=10.0.1.2
ask 'until [ -d /sys/class/net/eth1 ]; do sleep 1; done; ifconfig eth1 10.0.1.2 netmask 255.255.255.0 up; echo mac-$(cat /sys/class/net/eth1/address)'
hears guest-has-it "mac-$mac"
mkdir -p /tmp/www
head -c 4m /dev/urandom > /tmp/www/f
sum=$(md5sum < /tmp/www/f | cut -c 1-32)
httpd -p 10.0.1.1:80 -h /tmp/www
ask 'wget -q -O /tmp/f http://10.0.1.1/f; echo got-$(md5sum < /tmp/f | cut -c 1-32)'
hears guest-fetches-by-it "got-$sum"

# They outlive vaned, and are served again after a kill.
kill -9 "$vaned_pid"
wait "$vaned_pid" 2> /dev/null
start_vaned
for device in xvdb $mac; do
    served=$(server "$device")
    kill -9 "$served"
    check "served-again-$device" wait_for 20 is_another "$device" "$served"
done
ask 'echo 3 > /proc/sys/vm/drop_caches; echo sum3-$(md5sum < /dev/xvdb | cut -c 1-32); wget -q -O /tmp/f http://10.0.1.1/f; echo again-$(md5sum < /tmp/f | cut -c 1-32)'
hears reads-on "sum3-$(md5sum < /tmp/disk2 | cut -c 1-32)"
hears fetches-on "again-$sum"

# A cable that is not in, while the guest runs.
check attach-down vane attach nic plug bridge=br1 link=down
check no-carrier wait_for 20 sh -c "[ \"\$(vane-store read /local/domain/0/backend/vane-net/$id/2/carrier)\" = 0 ]"
third=$(vane-store read "/local/domain/$id/device/vif/2/mac")
check detach-down vane detach nic plug "$third"
expect two-nics '0 1' "$(numbers vif)"

check reboot vane reboot plug
hears ready-again 'guest ready' 2
id=$(vane show plug | sed -n 's/^id *//p')
ask 'echo sum4-$(md5sum < /dev/xvdb | cut -c 1-32)-$(cat /sys/class/net/eth1/address)'
hears both-are-there "sum4-$(md5sum < /tmp/disk2 | cut -c 1-32)-$mac"

check detach-nic vane detach nic plug $mac
check detach-disk vane detach disk plug xvdb
ask 'while [ -b /dev/xvdb ] || [ -d /sys/class/net/eth1 ]; do sleep 1; done; echo both-are-gone'
hears both-are-gone both-are-gone
expect nothing-in-the-store '51712 0' "$(numbers vbd) $(numbers vif)"
expect nothing-in-the-definition '0 0' "$(defined xvdb) $(defined $mac)"
check image-is-free sh -c '! ls -l /proc/[0-9]*/fd 2> /dev/null | grep -q /tmp/disk2'
check interface-is-gone sh -c "! ip link show vif$id.1"
expect one-process-each 2 "$(ls "/run/vane/back/$uuid" | wc -l)"
check ping ping -c 3 -w 30 10.0.0.2
# A disk that is not raw has a server, which keeps what is written while the back end is killed, and as it ends.
for round in 1 2; do
    check "attach-qcow2-$round" vane attach disk plug target=xvdd file=/guest/disk.qcow2 format=qcow2
    ask 'until [ -b /dev/xvdd ]; do sleep 1; done; echo qcow-'$round'-$(md5sum < /dev/xvdd | cut -c 1-32)'
    hears "reads-qcow2-$round" "qcow-$round-$(cat /guest/disk.md5)"
    ask 'dd if=/dev/xvdd of=/tmp/q bs=51200 skip=1 2> /dev/null; dd if=/tmp/q of=/dev/xvdd bs=64k 2> /dev/null; echo moved-'$round'-$?'
    hears "writes-qcow2-$round" "moved-$round-0"
    served=$(server xvdd)
    kill -9 "$served"
    check "qcow2-served-again-$round" wait_for 20 is_another xvdd "$served"
    ask 'echo 3 > /proc/sys/vm/drop_caches; echo now-'$round'-$(cat /dev/xvdd /tmp/q | md5sum | cut -c 1-32)=$( (cat /tmp/q; tail -c 51200 /dev/xvdd; cat /tmp/q) | md5sum | cut -c 1-32)'
    check "reads-what-it-wrote-$round" wait_for 60 sh -c "vane log plug | grep -q 'now-$round-\\(.*\\)=\\1'"
    ask 'md5sum < /dev/xvdd | cut -c 1-32 > /tmp/last; echo last-'$round'-$(cat /tmp/last)'
    check "last-$round" wait_for 60 sh -c "vane log plug | grep -q 'last-$round-[0-9a-f]'"
    vane log plug | sed -n "s/.*last-$round-\\([0-9a-f]*\\).*/\\1/p" | head -n 1 > /guest/disk.md5
    check "detach-qcow2-$round" vane detach disk plug xvdd
    check "server-is-gone-$round" wait_for 10 sh -c '! pidof qemu-storage-daemon'
done
check shutdown vane shutdown plug
check powers-off wait_for 60 sh -c 'vane show plug | grep -q "^state *off"'
expect no-back-end-left '' "$(ls /run/vane/back)"
expect no-backend-left '' "$(vane store ls /local/domain/0/backend 2> /dev/null | grep "\"$id\"")"
cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
