# SPDX-License-Identifier: MIT
# Run in dom0: our back ends beside those of dom0's kernel, by turns, under the same front ends: the benchmark guest on a file and on
# a block device, and Linux on two bridges. Prints a table of medians; the case can fail by what does not work and never by a figure.

. /test/vane-lib.sh
tools_setup
back_ends_ready
modprobe -a virtio_pci virtio_blk
brctl addbr br1 && ip addr add 10.0.1.1/24 dev br1 && ip link set br1 up
toolstack_up
SECONDS_EACH=1 ROUNDS='1 2 3' TABLE=/tmp/table
is() { vane show "$1" | grep -q "^state *$2\$"; }

median() { sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'; }

# row WHAT UNIT KERNEL OURS
row() {
    awk -v what="$1" -v unit="$2" -v kernel="${3:-0}" -v ours="${4:-0}" 'BEGIN {
        printf "| %s | %d | %d | **%.2f** |\n", what " (" unit ")", kernel, ours, kernel ? ours / kernel : 0 }' >> $TABLE
    check "row-$(echo "$1" | tr ' ,' '--')" test "${3:-0}" -gt 0 -a "${4:-0}" -gt 0
}

# --- Disks

# disk_rates DRIVER TYPE SOURCE ROUND: the benchmark guest's rows, more of /tmp/rates.DRIVER
disk_rates() {
    printf '{ "name": "bench", "memory_kib": 24576, "kernel": "/guest/bench", "cmdline": "seconds=%s write=yes",
        "disks": [{ "type": "%s", "%s": "%s", "target": "xvda", "driver": "%s" }] }' $SECONDS_EACH "$2" "$2" "$3" "$1" > /tmp/bench.json
    check "define-$1-$2-$4" vane define /tmp/bench.json
    before=$(vane log bench 2> /dev/null | grep -c 'bench: done')
    check "start-$1-$2-$4" vane start bench
    check "ends-$1-$2-$4" wait_for 400 logs bench 'bench: done' $((before + 1))
    check "off-$1-$2-$4" wait_for 60 is bench off
    # What it said since it was done before: a log outlives its guest.
    vane log bench | tr -d '\r' | awk '/bench: done/ { last = run; run = ""; next } { run = run $0 "\n" } END { printf "%s", last }' >> "/tmp/rates.$1"
    check "undefine-$1-$2-$4" vane undefine bench
}
rate() { sed -n "s/.*\\b$2 \\([0-9]*\\) .*/\\1/p" "/tmp/rates.$1" | median; }

dd if=/dev/zero of=/tmp/disk bs=1M count=64 2> /dev/null
for image in file:/tmp/disk block:/dev/vda; do
    type=${image%%:*}
    rm -f /tmp/rates.*
    for round in $ROUNDS; do
        for driver in kernel vane; do disk_rates $driver "$type" "${image#*:}" "$round"; done
    done
    for load in read_4k_1:iops:1/s read_4k_32:iops:1/s read_128k_8:bytes:KiB/s write_4k_1:iops:1/s write_4k_32:iops:1/s \
        write_128k_8:bytes:KiB/s; do
        name=${load%%:*} unit=${load##*:} what=${load#*:}
        what=${name}_${what%%:*}
        row "disk, $type, $name" "$unit" "$(rate kernel "$what")" "$(rate vane "$what")"
    done
done

# --- Networks

cat > /tmp/net.json << END
{ "name": "net", "memory_kib": 163840, "kernel": "/guest/vmlinuz", "initrd": "/guest/initrd-io", "cmdline": "console=hvc0 quiet pv.net=10.0.0.2",
  "nics": [{ "bridge": "br0" }, { "bridge": "br1", "driver": "kernel" }] }
END
ask() { (echo "$1"; sleep 1; printf '\035') | vane console --take net > /dev/null; }
check define-net vane define /tmp/net.json
check start-net vane start net
check net-ready wait_for 120 logs net 'guest ready'
ask 'ifconfig eth1 10.0.1.2 netmask 255.255.255.0 up; echo eth1-up-$?'
check second-nic wait_for 60 logs net eth1-up-0
for n in 0 1; do check "ping-$n" ping -c 2 -w 60 "10.0.$n.2"; done
of() { [ "$1" = vane ] && echo 0 || echo 1; }

# sends PROTOCOL DRIVER ROUND: what arrives here of what the guest sends; receives: what it says arrived there
sends() {
    netload "recv-$1" 5001 > /tmp/rate &
    ask "netload send-$1 10.0.$(of "$2").1 5001 $SECONDS_EACH"
    wait_for 120 grep -q '/s' /tmp/rate && sed 's/ .*//' /tmp/rate
    killall netload 2> /dev/null
    rm -f /tmp/rate
}
receives() {
    ask "netload recv-$1 5002 | sed s/^/came-$1-$2-$3-/"
    netload "send-$1" "10.0.$(of "$2").2" 5002 $SECONDS_EACH
    wait_for 120 logs net "^.*came-$1-$2-$3-[0-9]"
    vane log net | tr -d '\r' | sed -n "s/.*came-$1-$2-$3-\\([0-9]*\\) .*/\\1/p" | tail -n 1
}
# net_row WHAT UNIT DIRECTION PROTOCOL
net_row() {
    rm -f /tmp/rates.*
    for round in $ROUNDS; do
        for driver in kernel vane; do "$3" "$4" $driver "$round" >> "/tmp/rates.$driver"; done
    done
    row "$1" "$2" "$(median < /tmp/rates.kernel)" "$(median < /tmp/rates.vane)"
}
net_row 'net, TCP from the guest' KiB/s sends tcp
net_row 'net, TCP to the guest' KiB/s receives tcp
net_row 'net, 64 bytes from the guest' packets/s sends udp
net_row 'net, 64 bytes to the guest' packets/s receives udp
vane log net | tail -n 20
check shutdown vane shutdown net
check powers-off wait_for 60 is net off

echo '| load | xen-blkback, xen-netback | vane-blk, vane-net | ratio |'
echo '|---|---:|---:|---:|'
cat $TABLE
cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
