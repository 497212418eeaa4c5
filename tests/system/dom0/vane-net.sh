# SPDX-License-Identifier: MIT
# Run in dom0: vane-net serves a network to a guest with Debian's kernel, on a bridge: what either side sends arrives whole,
# also when the process is killed in the middle of it; what the guest may not send does not; and when the interface is taken
# away, all of it is gone.

. /test/vane-lib.sh
start_daemons
back_ends_ready
mkdir -p /dev/shm/net
MAC=00:16:3e:0a:0b:0c

# ask WORDS: run by the guest's shell; what it prints is in the log
ask() { type_in "$id" "$1"; }
hears() {
    check "$1" wait_for "${3:-60}" said net "$2"
    said net "$2" || tail -n 20 $LOGS/guest-net.log
}
state_is() { [ "$(vane-store read "$1/state")" = "$2" ]; }
# serve [OPTION...]
serve() { vane-net --domid "$id" --back $back --front $front --tap "vif$id.0" --bridge br0 --mac $MAC --addresses 10.0.0.2 \
    --queues 2 --state /dev/shm/net/state --stats /dev/shm/net/stats "$@" 2>> /tmp/net.log & backend=$!; }
again() { kill -9 $backend; wait $backend 2> /dev/null; serve "$@"; }
# What a toolstack writes for a network card of the guest: its own side first, since the guest looks at it as soon as it sees
# the other.
offer() {
    vane-store write $back/frontend $front $back/frontend-id "$id" $back/online 1 $back/mac $MAC $back/handle 0 $back/state 1 &&
        vane-store chmod $back n0 "r$id" && vane-store chmod $back/state n0 "r$id" &&
        vane-store write $front/backend $back $front/backend-id 0 $front/handle 0 $front/mac $MAC $front/state 1 &&
        vane-store chmod $front "n$id" r0 && vane-store chmod $front/state "n$id" r0
}
privileges() { sed -n 's/^\(CapEff\|NoNewPrivs\|Seccomp\):[[:space:]]*/\1 /p' "/proc/$backend/status" | tr '\n' ' '; }
# counter NUMBER: of both queues; each has ten
counter() {
    local queue sum=0
    for queue in 0 1; do
        sum=$((sum + $(od -An -t d8 -j $((80 * queue + 8 * $1)) -N 8 /dev/shm/net/stats | tr -d ' ')))
    done
    echo $sum
}

vane-build create net 160 2 /guest/vmlinuz /guest/initrd-io 'console=hvc0 quiet' > /tmp/net.out
id=$(domid_of /tmp/net.out)
check create test -n "$id"
check ready wait_for 60 said net 'guest ready'
back=/local/domain/0/backend/vane-net/$id/0 front=/local/domain/$id/device/vif/0
check offer offer
serve
check connects wait_for 30 state_is $front 4
check connected wait_for 30 state_is $back 4
expect has-no-rights 'CapEff 0000000000000000 NoNewPrivs 1 Seccomp 2 ' "$(privileges)"
expect negotiated '2 1 1 1 connected 1' "$(echo $(vane-store read $front/multi-queue-num-queues $front/feature-sg \
    $front/feature-gso-tcpv4 $front/feature-gso-tcpv6 $back/hotplug-status $back/carrier))"
check split vane-store read $front/queue-1/event-channel-rx
ask 'ifconfig eth0 10.0.0.2 netmask 255.255.255.0 up; echo mac-$(cat /sys/class/net/eth0/address)'
hears mac "mac-$MAC"
check ping ping -c 3 -w 30 10.0.0.2
ask 'ping -c 1 -w 10 10.0.0.1 > /dev/null; echo ping-$?'
hears guest-pings ping-0

# To the guest and from it, each with a checksum.
mkdir -p /tmp/www
head -c 16m /dev/urandom > /tmp/www/f
sum=$(md5sum < /tmp/www/f | cut -c 1-32)
httpd -p 10.0.0.1:80 -h /tmp/www
ask 'wget -q -O /tmp/f http://10.0.0.1/f; echo got-$(md5sum < /tmp/f | cut -c 1-32)'
hears guest-gets "got-$sum" 120
ask 'httpd -p 80 -h /tmp; echo serves'
hears guest-serves serves
check dom0-gets timeout 120 wget -q -O /tmp/back http://10.0.0.2/f
expect dom0-gets-it-whole "$sum" "$(md5sum < /tmp/back | cut -c 1-32)"
check large-packets test "$(($(counter 1) / $(counter 0)))" -gt 2000

# The same, killed ten times on the way.
ask 'rm /tmp/f; wget -q -O /tmp/f http://10.0.0.1/f; echo again-$(md5sum < /tmp/f | cut -c 1-32)'
for _ in 1 2 3 4 5 6 7 8 9 10; do
    again
    sleep 0.3
done
hears guest-gets-it-all-the-same "again-$sum" 120
expect still-connected '4 4' "$(echo $(vane-store read $front/state $back/state))"
check ping-again ping -c 3 -w 30 10.0.0.2

# Another's address, and another's MAC.
before=$(counter 3)
ask 'ifconfig eth0 10.0.0.3; ping -c 1 -w 2 10.0.0.1 > /dev/null; echo stranger-$?; ifconfig eth0 10.0.0.2; ping -c 1 -w 10 10.0.0.1 > /dev/null; echo itself-$?'
hears stranger-is-not-heard stranger-1
hears itself-is itself-0
check counted test "$(counter 3)" -gt "$before"

ip link set "vif$id.0" down
check link-goes-down wait_for 20 sh -c "[ \"\$(vane-store read $back/carrier)\" = 0 ]"
ip link set "vif$id.0" up
check link-comes-up wait_for 20 sh -c "[ \"\$(vane-store read $back/carrier)\" = 1 ]"
check ping-after-that ping -c 3 -w 30 10.0.0.2

# On a VLAN that the bridge's own address is not on nobody hears it.
echo 1 > /sys/class/net/br0/bridge/vlan_filtering
check ping-without-vlan ping -c 1 -w 30 10.0.0.2
again --vlan 7
check on-another-vlan wait_for 20 ip link show "vif$id.0"
check not-heard sh -c '! ping -c 2 -w 5 10.0.0.2 > /dev/null'
again
check ping-on-the-same wait_for 30 ping -c 1 -w 2 10.0.0.2

check goes-offline sh -c "vane-store write $back/online 0 $back/state 5"
check front-closes wait_for 30 state_is $front 6
check backend-ends wait_for 30 ended $backend
wait $backend
expect backend-ended-well 0 $?
check interface-is-gone sh -c "! ip link show vif$id.0"
check asks vane-build request "$id" poweroff
expect shuts-down poweroff "$(vane-build wait "$id" 60)"
check destroy vane-build destroy "$id"
expect no-domain-left 1 "$(vane-build list | wc -l)"
expect backend-says '' "$(cat /tmp/net.log)"
expect dmesg-clean '' "$(complaints)"
