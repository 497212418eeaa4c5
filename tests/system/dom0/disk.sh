# SPDX-License-Identifier: MIT
# Run in dom0 whose root file system is on a disk: what was written reads back the same.

. /test/lib.sh
check root-on-disk grep -q "^$(cmdline pv.root) / ext4" /proc/mounts
head -c 67108864 /dev/urandom > /written
sum=$(md5sum < /written)
sync
echo 3 > /proc/sys/vm/drop_caches
expect disk-reads-back "$sum" "$(md5sum < /written)"
rm /written
