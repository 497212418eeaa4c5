# SPDX-License-Identifier: MIT
# Run in dom0: vane-blk serves a disk to a guest with Debian's kernel: what is written reads back, on either side, also when
# the process is killed in the middle of it; and when the disk is taken away, all of it is gone.

. /test/vane-lib.sh
start_daemons
mkdir -p /dev/shm/blk
IMAGE=/tmp/disk
BACK=/local/domain/0/backend/vane-blk

# ask WORDS: run by the guest's shell; what it prints is in the log
ask() { type_in "$id" "$1"; }
hears() {
    check "$1" wait_for "${3:-60}" said blk "$2"
    said blk "$2" || tail -n 20 $LOGS/guest-blk.log
}
state_is() { [ "$(vane-store read "$1/state")" = "$2" ]; }
serve() { vane-blk --domid "$id" --back $back --front $front --image $IMAGE --buffered --state /dev/shm/blk/state \
    --stats /dev/shm/blk/stats 2>> /tmp/blk.log & backend=$!; }
# What a toolstack writes for a disk of the guest: its own side first, since the guest looks at it as soon as it sees the other.
offer() {
    vane-store write $back/frontend $front $back/frontend-id "$id" $back/online 1 $back/mode w $back/state 1 &&
        vane-store chmod $back n0 "r$id" && vane-store chmod $back/state n0 "r$id" &&
        vane-store write $front/backend $back $front/backend-id 0 $front/virtual-device 51728 $front/device-type disk \
            $front/state 1 &&
        vane-store chmod $front "n$id" r0 && vane-store chmod $front/state "n$id" r0
}
privileges() { sed -n 's/^\(CapEff\|NoNewPrivs\|Seccomp\):[[:space:]]*/\1 /p' "/proc/$backend/status" | tr '\n' ' '; }

truncate -s 64M $IMAGE
dd if=/dev/urandom of=$IMAGE bs=1M count=8 conv=notrunc 2> /dev/null
sum=$(head -c 8m $IMAGE | md5sum | cut -c 1-32)
vane-build create blk 160 2 /guest/vmlinuz /guest/initrd-io 'console=hvc0 quiet' > /tmp/blk.out
id=$(domid_of /tmp/blk.out)
check create test -n "$id"
check ready wait_for 60 said blk 'guest ready'
back=$BACK/$id/51728 front=/local/domain/$id/device/vbd/51728
check offer offer
serve
check connects wait_for 30 state_is $front 4
expect has-no-rights 'CapEff 0000000000000000 NoNewPrivs 1 Seccomp 2 ' "$(privileges)"
expect negotiated '1 1 256' "$(echo $(vane-store read $front/feature-persistent $back/feature-flush-cache $back/feature-max-indirect-segments))"
ask 'echo size-$(cat /sys/block/xvdb/size)'
hears size size-131072
ask 'echo sum-$(head -c 8m /dev/xvdb | md5sum | cut -c 1-32)'
hears guest-reads "sum-$sum"

# Written through the page cache and flushed; killed ten times on the way.
ask 'head -c 24m /dev/urandom > /tmp/f; echo out-$(md5sum < /tmp/f | cut -c 1-32); sleep 1
for i in 1 2 3 4; do dd if=/tmp/f of=/dev/xvdb bs=64k seek=256 conv=fsync 2> /dev/null || echo bad-write; done; echo wrote-$((6 * 7))'
hears begins 'out-[0-9a-f]' 60
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -9 $backend
    wait $backend 2> /dev/null
    serve
    sleep 0.5
done
hears guest-writes wrote-42 120
expect no-error-seen '' "$(grep -a bad-write $LOGS/guest-blk.log | grep -v echo)"
wanted=$(grep -ao 'out-[0-9a-f]\{32\}' $LOGS/guest-blk.log | tail -n 1 | cut -c 5-)
check said-what-it-wrote test -n "$wanted"
expect dom0-reads-what-it-wrote "$wanted" "$(dd if=$IMAGE bs=1M skip=16 count=24 2> /dev/null | md5sum | cut -c 1-32)"
ask 'echo 3 > /proc/sys/vm/drop_caches; echo back-$(dd if=/dev/xvdb bs=1M skip=16 count=24 2> /dev/null | md5sum | cut -c 1-32)'
hears guest-reads-back "back-$wanted"

check resized truncate -s 128M $IMAGE
ask 'sleep 3; echo new-size-$(cat /sys/block/xvdb/size)'
hears sees-new-size new-size-262144

check goes-offline sh -c "vane-store write $back/online 0 $back/state 5"
check front-closes wait_for 30 state_is $front 6
check backend-ends wait_for 30 ended $backend
wait $backend
expect backend-ended-well 0 $?
check asks vane-build request "$id" poweroff
expect shuts-down poweroff "$(vane-build wait "$id" 60)"
check destroy vane-build destroy "$id"
expect no-domain-left 1 "$(vane-build list | wc -l)"
expect backend-says '' "$(cat /tmp/blk.log)"
expect dmesg-clean '' "$(complaints)"
