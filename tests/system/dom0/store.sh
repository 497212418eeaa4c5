# SPDX-License-Identifier: MIT
# Run in dom0: our store serves the kernel's own connection, and is killed and started again under it.

. /test/lib.sh
modprobe -a xen-evtchn xen-gntdev xen-privcmd

# start_store: returns when it answers.
start_store() {
    vane-stored >> /tmp/store.log 2>&1 &
    store=$!
    for try in 1 2 3 4 5 6 7 8 9 10; do
        vane-store control check > /dev/null 2>&1 && return 0
        sleep 0.3
    done
    return 1
}

# kernel_read LENGTH-IN-OCTAL NODE: a READ that goes through the kernel's ring, by /dev/xen/xenbus
kernel_read() {
    printf "\\002\\0\\0\\0\\007\\0\\0\\0\\0\\0\\0\\0\\$1\\0\\0\\0$2\\0" >&3
    dd bs=512 count=1 <&3 2> /dev/null | tail -c +17
}

check store-starts start_store
vane-store write /test/node one
# The kernel sets its watches when the store first rings it.
for try in 1 2 3 4 5 6 7 8 9 10; do
    watches=$(vane-store control quota 0 | sed -n 's/^watches *: *\([0-9]*\)$/\1/p')
    [ "${watches:-0}" -ge 1 ] && break
    sleep 0.3
done
check kernel-watches [ "${watches:-0}" -ge 1 ]
if exec 3<> /dev/xen/xenbus; then
    expect kernel-reads one "$(kernel_read 13 /test/node)"
    for round in 1 2 3; do
        kill -9 $store
        wait $store 2> /dev/null
        start_store || fail store-restarts "round $round: $(tail -n 1 /tmp/store.log)"
        vane-store write /test/node "after-$round"
        expect "kernel-reads-after-kill-$round" "after-$round" "$(kernel_read 13 /test/node)"
    done
    expect watches-kept "$watches" "$(vane-store control quota 0 | sed -n 's/^watches *: *\([0-9]*\)$/\1/p')"
else
    fail kernel-reads "there is no /dev/xen/xenbus"
fi
cat /tmp/store.log
expect dmesg-clean '' "$(complaints)"
