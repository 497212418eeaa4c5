# SPDX-License-Identifier: MIT
# A guest's first script: its network from the kernel's command line (pv.net=ADDRESS), a line on the console, then
# a shell there. What xenbus asks for (power off, reboot) the kernel does by /sbin/poweroff and /sbin/reboot.

. /test/lib.sh
rm -f /sbin/poweroff /sbin/reboot
printf '#!/bin/sh\nexec busybox poweroff -f\n' > /sbin/poweroff
printf '#!/bin/sh\nexec busybox reboot -f\n' > /sbin/reboot
chmod +x /sbin/poweroff /sbin/reboot
for module in xen_blkfront xen_netfront; do modprobe $module 2>/dev/null; done
ifconfig lo 127.0.0.1 up
net=$(cmdline pv.net)
[ -z "$net" ] || ifconfig eth0 "$net" netmask 255.255.255.0 up
echo "guest ready"
while :; do setsid cttyhack sh; done
