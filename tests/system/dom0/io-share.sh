# SPDX-License-Identifier: MIT
# Run in dom0: what a guest's disk does alone, beside one that does the same at the same time, which is its fair share, and beside a
# hostile one that does nothing but harm. Each guest has a vane-blk of its own. A figure never fails the case; what is wrong does.

. /test/vane-lib.sh
tools_setup
toolstack_up
is() { vane show "$1" | grep -q "^state *$2\$"; }

# a_guest NAME KERNEL CMDLINE
a_guest() {
    dd if=/dev/zero of="/tmp/$1.img" bs=1M count=16 2> /dev/null
    printf '{ "name": "%s", "memory_kib": 24576, "kernel": "/guest/%s", "cmdline": "%s", "disks": [{ "file": "/tmp/%s.img", "target": "xvda" }] }' \
        "$1" "$2" "$3" "$1" > "/tmp/$1.json"
    check "define-$1" vane define "/tmp/$1.json"
}
# measure HOW: the rows of the guest "victim", in /tmp/rates.HOW
measure() {
    check "start-victim-$1" vane start victim
    check "victim-ends-$1" wait_for 300 is victim off
    vane log victim | tr -d '\r' | tail -n 40 > "/tmp/rates.$1"
    check "victim-is-done-$1" grep -q 'bench: done' "/tmp/rates.$1"
}
rate() { sed -n "s/.*\\b$2 \\([0-9]*\\) .*/\\1/p" "/tmp/rates.$1" | tail -n 1; }

a_guest victim bench 'seconds=2 write=yes'
a_guest twin bench 'seconds=2 write=yes'
a_guest hostile hostile 'seconds=600'
measure alone
check start-twin vane start twin
measure twin
check twin-ends wait_for 60 is twin off
check start-hostile vane start hostile
check hostile-works wait_for 120 logs hostile 'hostile: begins'
measure hostile
check hostile-still-runs is hostile running
vane show hostile
vane metrics | grep 'paravane_disk.*hostile'
check its-requests-are-refused sh -c 'vane metrics | grep "^paravane_disk_invalid_total.*hostile" | grep -q " [1-9]"'
check destroy-hostile vane destroy hostile

echo '| requests | alone | beside a guest that does the same | beside a hostile one | of that share |'
echo '|---|---:|---:|---:|---:|'
for what in read_4k_1_iops read_4k_32_iops read_128k_8_bytes write_4k_1_iops write_4k_32_iops write_128k_8_bytes; do
    echo "$what $(rate alone $what) $(rate twin $what) $(rate hostile $what)"
done | awk '{ printf "| %s | %d | %d | %d | **%.2f** |\n", $1, $2, $3, $4, $3 ? $4 / $3 : 0 }'
cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
