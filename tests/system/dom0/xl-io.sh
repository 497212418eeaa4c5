# SPDX-License-Identifier: MIT
# Run in dom0 by bash: guests of several shapes with a disk on xen-blkback and a network card on xen-netback. fio
# verifies what it wrote, sums of what was sent and of what arrived are compared. The machine's first disk holds fio,
# the second is what guests write to.

. /test/xl-lib.sh
modprobe -a virtio_pci virtio_blk
start_tools

# start NAME ADDRESS SERIES MIB VCPUS [SCRATCH]
start() {
    local name=$1 disks="'phy:/dev/vda,xvda,r'"
    [ -z "${6:-}" ] || disks+=", 'phy:$6,xvdb,w'"
    SERIES=$3 EXTRA="pv.net=10.0.0.$2" define "$name" "$4" "$5" "disk=[$disks]" "vif=['bridge=br0']"
    step "$name-create" quiet xl create "/tmp/$name.cfg"
    step "$name-ready" guest_ready "$name"
    ask "$name" "mkdir -p /tools; mount -o ro /dev/xvda /tools; echo cpus-\$(nproc)"
    step "$name-cpus" wait_for 20 said "$name" "^cpus-$5"
}

stop() {
    step "$1-shutdown" quiet xl shutdown -w "$1"
    step "$1-gone" is_gone "$1"
}

# verify NAME MIB: fio's own judgement of what it wrote and read back
verify() {
    ask "$1" "sh /tools/verify $2; echo fio-\$?"
    step "$1-fio" wait_for 240 said "$1" '^fio-0'
}

# The sum that NAME printed under LABEL
sum_of() { sed -n "s/^$2-\([0-9a-f]*\) .*/\1/p" "$LOGS/guest-$1.log" | tail -1; }
same_sums() { [ -n "$1" ] && [ "$1" = "$2" ]; }

# upload NAME MIB: from the guest to dom0
upload() {
    nc -l -p 5000 < /dev/null | md5sum > /tmp/got &
    ask "$1" "head -c ${2}M /dev/urandom > /tmp/f; echo sent-\$(md5sum < /tmp/f); nc 10.0.0.1 5000 < /tmp/f"
    wait_for 90 said "$1" '^sent-'
    wait $!
    step "$1-upload" same_sums "$(cut -d' ' -f1 /tmp/got)" "$(sum_of "$1" sent)"
}

# download NAME ADDRESS MIB: from dom0 to the guest
download() {
    head -c "${3}M" /dev/urandom > /tmp/f
    ask "$1" "echo got-\$(nc -l -p 5001 < /dev/null | md5sum)"
    sleep 1
    wait_for 20 sh -c "nc 10.0.0.$2 5001 < /tmp/f"
    wait_for 60 said "$1" '^got-'
    step "$1-download" same_sums "$(md5sum < /tmp/f | cut -d' ' -f1)" "$(sum_of "$1" got)"
}

# between FROM TO ADDRESS MIB: from one guest to another
between() {
    ask "$2" "echo peer-\$(nc -l -p 5002 < /dev/null | md5sum)"
    ask "$1" "head -c ${4}M /dev/urandom > /tmp/f; echo to-$2-\$(md5sum < /tmp/f); nc 10.0.0.$3 5002 < /tmp/f"
    wait_for 90 said "$2" '^peer-'
    step "between-$1-$2" same_sums "$(sum_of "$1" "to-$2")" "$(sum_of "$2" peer)"
}

start small 2 6.1 96 1 /dev/vdb
verify small 256
download small 2 8
upload small 8
start two 3 6.12 256 2
between two small 2 16
between small two 3 8
stop small
stop two
start four 4 6.12 512 4 /dev/vdb
verify four 256
upload four 32
start big 5 6.1 2048 1
between four big 5 32
stop four
stop big
