# SPDX-License-Identifier: MIT
# Run in dom0 by bash: guests of several shapes with a disk on xen-blkback and a network card on xen-netback. fio
# verifies what it wrote, sums of what was sent and of what arrived are compared. The machine's first disk holds fio,
# the second is what guests write to.

. /test/xl-lib.sh
modprobe -a virtio_pci virtio_blk
start_tools

# start NAME ADDRESS SERIES MIB VCPUS [SCRATCH]. The second disk comes when the guest runs: xl gives all hotplug scripts of a
# guest ten seconds together, which is little on an emulated CPU.
start() {
    local name=$1
    SERIES=$3 EXTRA="pv.net=10.0.0.$2" define "$name" "$4" "$5" "disk=['phy:/dev/vda,xvda,r']" "vif=['bridge=br0']"
    step "$name-create" quiet xl create "/tmp/$name.cfg"
    step "$name-ready" guest_ready "$name"
    [ -z "${6:-}" ] || step "$name-scratch" quiet xl block-attach "$name" "phy:$6" xvdb w
    ask "$name" "echo cpus-\$(nproc)"
    step "$name-cpus" hears "$name" 60 "^cpus-$5"
}

# xl's own process behind the guest waits ten seconds for a device that does not close by itself.
stop() {
    step "$1-shutdown" quiet xl shutdown -w "$1"
    step "$1-gone" wait_for 90 is_gone "$1"
}

# hears NAME SECONDS PATTERN: or shows what the guest said instead
hears() { wait_for "$2" said "$1" "$3" || { tail -n 12 "$LOGS/guest-$1.log"; return 1; }; }
# verify NAME MIB: fio's own judgement of what it wrote and read back
fio_agrees() { hears "$1" 600 '^fio-ended-[0-9]' && hears "$1" 0 '^fio-ended-0'; }
verify() {
    ask "$1" "modprobe -a crc32c_generic ext4; mkdir -p /tools; mount -t ext4 -o ro /dev/xvda /tools; sh /tools/verify $2; echo fio-ended-\$?"
    step "$1-fio" fio_agrees "$1"
}

# readback NAME MIB: piece by piece past the page cache, since 96 MiB leave little beside the kernel, and nothing for fio's
# libraries
readback() {
    ask "$1" "for i in \$(seq $2); do head -c 1m /dev/urandom > /tmp/f; dd if=/tmp/f of=/dev/xvdb bs=64k seek=\$((i * 16)) oflag=direct
md5sum < /tmp/f >> /tmp/wrote; done; for i in \$(seq $2); do dd if=/dev/xvdb bs=64k skip=\$((i * 16)) count=16 iflag=direct | md5sum
done > /tmp/read; rm /tmp/f; echo disk-\$(md5sum < /tmp/read) \$(md5sum < /tmp/wrote)"
    step "$1-readback" hears "$1" 120 "^disk-$SUM \1"
}

# A sum is made where the data arrive and sent back to where they came from: busybox' nc leaves when the other end has
# no more to say, so who receives must keep quiet until then.
SUM='\([0-9a-f]\{32\}\) -'

# send NAME ADDRESS PORT MIB LABEL: what the guest NAME sends; LABEL-sum sum is on its console then
send() {
    ask "$1" "head -c ${4}m /dev/urandom > /tmp/f; for i in 1 2 3 4 5 6 7 8 9; do
b=\$(nc $2 $3 < /tmp/f) && break; sleep 1; done; echo $5-\$(md5sum < /tmp/f) \$b; rm /tmp/f"
    step "$1-$5" hears "$1" 240 "^$5-$SUM \1"
}

# upload NAME MIB: from the guest to dom0
upload() {
    nc -l -p 5000 -e md5sum &
    send "$1" 10.0.0.1 5000 "$2" upload
}

# between FROM TO ADDRESS MIB: from one guest to another
between() {
    ask "$2" "nc -l -p 5002 -e md5sum"
    send "$1" "10.0.0.$3" 5002 "$4" "to-$2"
}

# download NAME ADDRESS MIB: from dom0 to the guest
got_back() { nc "10.0.0.$1" 5001 < /tmp/f > /tmp/got && grep -q "$(md5sum < /tmp/f)" /tmp/got; }
download() {
    ask "$1" "nc -l -p 5001 -e md5sum"
    head -c "${3}m" /dev/urandom > /tmp/f
    step "$1-download" wait_for 60 got_back "$2"
}

start small 2 6.1 96 1 /dev/vdb
readback small 32
step small-detach quiet xl block-detach small xvdb
download small 2 2
upload small 2
start two 3 6.12 256 2 /dev/vdb
verify two 256
between two small 2 8
between small two 3 2
stop small
stop two
start four 4 6.12 512 4 /dev/vdb
verify four 256
upload four 32
start big 5 6.1 2048 1
between four big 5 32
stop four
stop big
