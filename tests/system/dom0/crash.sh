# SPDX-License-Identifier: MIT
# Run in dom0: it panics, and the machine must reboot for it.

. /test/lib.sh
pass crashing
sleep 1
echo c > /proc/sysrq-trigger
sleep 30
fail crash "still alive"
