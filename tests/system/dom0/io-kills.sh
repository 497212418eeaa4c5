# SPDX-License-Identifier: MIT
# Run in dom0: vane-blk is killed again and again under fio, which verifies what it wrote, and vane-net under transfers whose sums
# are compared. How often each says pv.kills on the kernel's command line. What fio waited longest for is printed.

. /test/vane-lib.sh
tools_setup
back_ends_ready
toolstack_up
kills=$(cmdline pv.kills)
uuid=8d8b3f0e-3f3c-4f0a-9d5e-0123456789ab mac=00:16:3e:0a:0b:0c

dd if=/dev/zero of=/tmp/disk bs=1M count=64 2> /dev/null
mkdir -p /tmp/www
head -c 16m /dev/urandom > /tmp/www/f
sum=$(md5sum < /tmp/www/f | cut -c 1-32)
httpd -p 10.0.0.1:80 -h /tmp/www
cat > /tmp/io.json << END
{ "name": "io", "uuid": "$uuid", "memory_kib": 524288, "kernel": "/guest/vmlinuz", "initrd": "/guest/initrd-io", "cmdline": "console=hvc0 quiet pv.net=10.0.0.2",
  "disks": [{ "file": "/tmp/disk", "target": "xvda" }], "nics": [{ "bridge": "br0", "mac": "$mac" }] }
END
check define vane define /tmp/io.json
check start vane start io
ask() { (echo "$1"; sleep 1; printf '\035') | vane console --take io > /dev/null; }
says() { vane log io | tr -d '\r'; }
check ready wait_for 120 logs io 'guest ready'

# kill_all DEVICE: until that many are dead, each once it serves; the longest time until the next one was there, in ms in /tmp/longest
kill_all() {
    local i now began longest=0
    for i in $(seq "$kills"); do
        now=$(server "$1") began=$(now_ms)
        kill -9 "$now" || { echo "no process of $1 after $i kills"; return 1; }
        wait_for 20 is_another "$1" "$now" || { echo "none is started after kill $i"; return 1; }
        began=$(($(now_ms) - began))
        [ "$began" -le "$longest" ] || longest=$began
        # One that has not lived for a second is replaced a second later.
        sleep 1.$((2 + i % 8))
    done
    echo "$longest" > /tmp/longest
}

# What loads goes on beside the shell until the shell is told to end it. fio reads back all that it has written in each round.
ask 'touch /tmp/more; (n=0; while [ -e /tmp/more ]; do fio --name=v --filename=/dev/xvda --size=6m --rw=randwrite --bsrange=4k-128k --iodepth=16 --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --randseed=$n > /tmp/fio.out 2>&1; r=$?; [ $r = 0 ] || break; n=$((n+1)); grep -E "clat.*max" /tmp/fio.out | sed s/^/round-$n:/; done; tail -n 5 /tmp/fio.out; echo fio-ended-$r-rounds-$n) &'
check fio-begins wait_for 240 logs io 'round-1:'
logs io 'round-1:' || says | tail
check "kills-of-vane-blk-$kills" kill_all xvda
value next-vane-blk-ms "$(cat /tmp/longest)"
ask 'rm /tmp/more'
check fio-ends wait_for 120 logs io 'fio-ended-[0-9]'
expect fio-agrees 1 "$(says | grep -c 'fio-ended-0-')"
value fio-rounds "$(says | sed -n 's/.*fio-ended-0-rounds-//p')"
# Of what fio calls completion latency, in microseconds, milliseconds or thousands of them
value longest-request-ms "$(says | sed -n 's/.*round-[0-9]*: *clat (\(.*\)): .*max= *\([0-9.]*\)\(k*\),.*/\2 \1\3/p' | awk '
    { ms = $2 ~ /^usec/ ? $1 / 1000 : $2 ~ /^nsec/ ? 0 : $1; if ($2 ~ /k$/) ms *= 1000; if (ms > most) most = ms }
    END { print int(most) }')"

ask 'touch /tmp/more; (n=0; while [ -e /tmp/more ]; do wget -q -O /tmp/f http://10.0.0.1/f; s=$(md5sum < /tmp/f | cut -c 1-32); [ $s = '"$sum"' ] || break; n=$((n+1)); echo fetched-$n; done; echo fetch-ended-$s-after-$n) &'
check fetching-begins wait_for 120 logs io 'fetched-1'
check "kills-of-vane-net-$kills" kill_all $mac
value next-vane-net-ms "$(cat /tmp/longest)"
ask 'rm /tmp/more'
check fetching-ends wait_for 200 logs io 'fetch-ended-[0-9a-f]'
expect sums-agree 1 "$(says | grep -c "fetch-ended-$sum-after-")"
value fetched "$(says | sed -n 's/.*fetch-ended-[0-9a-f]*-after-//p')"
check shutdown vane shutdown io
check powers-off wait_for 60 sh -c 'vane show io | grep -q "^state *off"'
grep -v -e 'connection' /tmp/vaned.log | tail -n 20
expect dmesg-clean '' "$(complaints)"
