# SPDX-License-Identifier: MIT
# Run in dom0: the HTTP guest of pv-drivers/guest, by vaned, out of a tar archive. Its files arrive whole, one after the other and
# many at once, also while its back ends are killed; what is no request costs the client; it goes when asked to. Then the same
# guest on the back ends of dom0's kernel, and with an address of a DHCP server's.

. /test/vane-lib.sh
tools_setup
back_ends_ready
toolstack_up

HELLO='<p>hello from the unikernel' SIZES='0 1 511 512 513 1460 32767 32768 32769 65536 1048576 3000001'
uuid=8d8b3f0e-3f3c-4f0a-9d5e-0123456789ab mac=00:16:3e:01:02:09
is() { vane show web | grep -q "^state *$1\$"; }
sum() { md5sum | cut -c 1-32; }
get() { timeout 60 wget -q -O - "http://10.0.0.9/$1"; }
same() { [ "$(get "$1")" = "$2" ]; }
# talk TEXT: what the guest answers to just that; line PATTERN: the first such line
talk() { printf "$1" | timeout 60 nc 10.0.0.9 80; }
line() { tr -d '\r' | grep -m 1 "$1"; }
# sums FILE COUNT: of that many fetches
sums() { for _ in $(seq "$2"); do get 3000001 | sum; done > "$1"; }
copies() { for _ in $(seq "$2"); do echo "$1"; done; }

# a_guest CMDLINE [DISK'S DRIVER NIC'S DRIVER]
a_guest() {
    cat > /tmp/web.xml << END
<domain type='xen'>
  <name>web</name><uuid>$uuid</uuid><memory unit='MiB'>16</memory>
  <os><type>xen</type><kernel>/guest/http</kernel><cmdline>$1</cmdline></os>
  <devices>
    <disk type='file' device='disk'>
      ${2:-}<source file='/tmp/site.tar'/><target dev='xvda' bus='xen'/><readonly/>
    </disk>
    <interface type='bridge'><mac address='$mac'/><source bridge='br0'/>${3:-<ip address='10.0.0.9'/>}</interface>
  </devices>
</domain>
END
    vane define /tmp/web.xml
}

# starts NAME: from the command to the first answer
starts() {
    local began
    began=$(now_ms)
    check "$1-start" vane start web
    check "$1-answers" wait_for 60 same '' "$HELLO"
    value "$1-start-to-answer-ms" $(($(now_ms) - began))
    value "$1-boot-us" "$(vane log web | sed -n 's/.*ready at .* after \([0-9]*\) us.*/\1/p' | tail -n 1)"
}

# fetches NAME: files of all sizes, three clients at once, and what is not there
fetches() {
    local size i clients=''
    for size in $SIZES; do
        expect "$1-$size" "$(sum < "/tmp/site/$size")" "$(get "$size" | sum)"
    done
    expect "$1-not-found" 'HTTP/1.1 404 Not Found' "$(talk 'GET /none HTTP/1.0\r\n\r\n' | line .)"
    for i in 1 2 3; do
        sums "/tmp/sum.$i" 1 &
        clients="$clients $!"
    done
    wait $clients
    expect "$1-clients" "$(copies "$whole" 3)" "$(cat /tmp/sum.[1-3])"
    expect "$1-ping" 0 "$(ping -c 3 -w 30 10.0.0.9 > /dev/null; echo $?)"
}

ends() {
    check "$1-shutdown" vane shutdown web
    check "$1-powers-off" wait_for 20 is off
}

mkdir -p /tmp/site/docs
echo "$HELLO" > /tmp/site/index.html
echo 'a page in a folder' > /tmp/site/docs/index.html
for size in $SIZES; do head -c "$size" /dev/urandom > "/tmp/site/$size"; done
whole=$(sum < /tmp/site/3000001)
tar -C /tmp/site -cf /tmp/site.tar .

# --- on vane-blk and vane-net

check define a_guest 'ip=10.0.0.9/24'
starts ours
fetches ours
expect folder 'a page in a folder' "$(get docs/)"
expect head-only 'Content-Length: 3000001' "$(talk 'HEAD /3000001 HTTP/1.0\r\n\r\n' | line Length)"
expect two-in-one 2 "$(talk 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /docs/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' |
    grep -c 'HTTP/1.1 200 OK')"
expect no-method 'HTTP/1.1 405 Method Not Allowed' "$(talk 'PUT / HTTP/1.1\r\nHost: a\r\n\r\n' | line .)"
expect nonsense 'HTTP/1.1 400 Bad Request' "$(talk '\001\002\r\n\r\n' | line .)"
expect no-host 'HTTP/1.1 400 Bad Request' "$(talk 'GET / HTTP/1.1\r\n\r\n' | line .)"
expect too-long 'HTTP/1.1 431 Request Header Fields Too Large' \
    "$({ printf 'GET / HTTP/1.1\r\nX: '; head -c 5000 /dev/zero | tr '\0' x; } | timeout 60 nc 10.0.0.9 80 | line .)"

served=$(server xvda) carried=$(server $mac)
sums /tmp/sums 4 &
reader=$!
sleep 0.5
kill -9 "$served" "$carried"
wait $reader
check another-serves-the-disk is_another xvda "$served"
check another-serves-the-nic is_another $mac "$carried"
expect back-ends-killed "$(copies "$whole" 4)" "$(cat /tmp/sums)"

# More than it keeps, that never come to an end; it still answers.
flood=''
for _ in $(seq 80); do
    nc 10.0.0.9 80 < /dev/zero > /dev/null 2>&1 &
    flood="$flood $!"
done
sleep 2
check among-many wait_for 60 same index.html "$HELLO"
kill $flood
wait $flood 2> /dev/null

# Enter on its console asks how it stands.
(echo; sleep 1; printf '\035') | vane console --take web > /dev/null
check hears-the-console wait_for 20 logs web 'http: [0-9]* connections, [1-9][0-9]* answers, [1-9][0-9]* of them refusals'

check reboot vane reboot web
check ready-again wait_for 60 logs web 'http: ready at 10.0.0.9' 2
check answers-again wait_for 20 same index.html "$HELLO"
ends ours

# --- on xen-blkback and xen-netback

check define-on-kernel a_guest 'ip=10.0.0.9/24' "<driver name='kernel' type='raw'/>" "<driver name='kernel'/>"
starts kernel
id=$(vane show web | sed -n 's/^id *//p')
expect kernel-serves-both '4 4' "$(vane store read "/local/domain/0/backend/vbd/$id/51712/state") $(
    vane store read "/local/domain/0/backend/vif/$id/0/state")"
fetches kernel
ends kernel

# --- an address by DHCP, and another port

printf 'start 10.0.0.30\nend 10.0.0.30\ninterface br0\nlease_file /tmp/leases\noption subnet 255.255.255.0\n' > /tmp/udhcpd.conf
: > /tmp/leases
udhcpd -f /tmp/udhcpd.conf > /tmp/udhcpd.log 2>&1 &
dhcp=$!
check define-dhcp a_guest 'port=8080' '' ' '
check start-dhcp vane start web
check has-address wait_for 60 logs web 'http: ready at 10.0.0.30'
expect answers-there "$HELLO" "$(timeout 60 wget -q -O - http://10.0.0.30:8080/)"
ends dhcp
kill $dhcp

# --- what it cannot serve it refuses in words

check define-wrong a_guest 'ip=10.0.0.9/33'
check start-wrong vane start web
check says-what-is-wrong wait_for 30 logs web 'ip=10.0.0.9/33: dhcp or an address like 10.0.0.2/24 is wanted'
head -c 65536 /dev/urandom > /tmp/site.tar
check define-noise a_guest 'ip=10.0.0.9/24'
check start-noise vane start web
check says-why wait_for 30 logs web 'the disk must hold a tar archive: block 0 of the disk is no header'
vane log web
cat /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
