# SPDX-License-Identifier: MIT
# Run in dom0 on QEMU's user network: ping the gateway, fetch 100 MiB, send them back. The host checks
# the sum of what it gets.

. /test/lib.sh
modprobe -a virtio_net e1000
for i in $(seq 50); do
    [ -e /sys/class/net/eth0 ] && break
    sleep 0.1
done
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
# The first packet pays for the address resolution, and a link of e1000 takes its time.
check ping sh -c 'for i in 1 2 3 4 5; do ping -c 3 -W 2 10.0.2.2 && exit 0; done; exit 1'
timeout 240 nc 10.0.2.100 1 < /dev/null > /fetched
expect download "$(cat /test/100MiB.md5)" "$(md5sum < /fetched)"
timeout 240 nc 10.0.2.100 2 < /fetched
rm /fetched
