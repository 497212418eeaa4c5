# SPDX-License-Identifier: MIT
# Run in dom0 by ./demo: two Debian guests and the HTTP unikernel on one bridge, from their definitions in /guest. Pages go
# from two of them to the third one's disk, all are shown, reboot, and end; checksums say whether each page is the same
# everywhere. What cannot go on after a fault ends here, with the logs. With pv.demo=shell a shell comes before the end.

. /test/vane-lib.sh

# NAME FORMAT ADDRESS READY: a guest, its definition /guest/NAME.FORMAT, the words on its console that say that it is there
GUESTS='
web       xml  10.0.0.2 demo: serving
client    json 10.0.0.3 demo: done
unikernel json 10.0.0.4 http: ready
'
DEBIAN='web client'
SERVERS='web unikernel'

row() { echo "$GUESTS" | grep "^$1 "; }
names() { echo "$GUESTS" | sed -n 's/^\([a-z]*\) .*/\1/p'; }
format() { row "$1" | awk '{ print $2 }'; }
address() { row "$1" | awk '{ print $3 }'; }
ready_words() { row "$1" | sed 's/ *[^ ]* *[^ ]* *[^ ]* *//'; }

is_shell() { [ "$(cmdline pv.demo)" = shell ]; }
step() { if is_shell; then echo "== $(uptime_seconds) s: $*"; else echo "== $*"; fi; }
# What is shown as it would be typed.
show() {
    echo "# $*"
    "$@"
}

# must NAME COMMAND...: check, without which nothing goes on
must() {
    local line
    line=$(check "$@")
    echo "$line"
    case $line in *'@@ FAIL '*) give_up ;; esac
}
give_up() {
    echo "== dom0 gives up here; what was said last:"
    for name in $(names); do
        echo "# vane log $name"
        vane log "$name" 2>&1 | tail -n 8
    done
    tail -n 5 /tmp/vaned.log
    exit 1
}

is() { vane show "$1" | grep -q "^state *$2\$"; }
# The last that a Debian guest has said about WORDS: told NAME WORDS
told() { vane log "$1" | tr -d '\r' | sed -n "s/.*demo: $2 //p" | tail -n 1; }
# ready NAME COUNT: in its so many-th life; a failure of its job is as good as a word
is_ready() { logs "$1" "$(ready_words "$1")" "$2" || logs "$1" 'demo: failed'; }
is_well() {
    is_ready "$1" "$2" || { echo "$1 has not said \"$(ready_words "$1")\""; return 1; }
    ! vane log "$1" | tr -d '\r' | sed -n 's/.*demo: failed: /it says: /p' | grep . || return 1
}
ready() {
    wait_for 400 is_ready "$1" "$2"
    is_well "$1" "$2"
}

sum() { sha256sum | cut -c 1-64; }
web_sum() { told web "\(made\|kept\) page"; }
unikernel_sum() { tar -xOf /dev/vdc ./page | sum; }
# What the page of SERVER is, by who has it.
page_sum() { "$1_sum"; }
fetched_sum() { timeout 60 wget -q -O - "http://$(address "$1")/page" | sum; }
client_word() { told client "$1 $2" | awk -v n="$3" '{ print $n }'; }

free_kib() { vane -o json info | sed -n 's/.*"free_kib": \([0-9]*\).*/\1/p'; }

# --- the steps --------------------------------------------------------------------------------------

the_host() {
    step "dom0 is up"
    echo "kernel: $(uname -sr), $(nproc) CPUs, $(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB, on" \
        "$(cat /sys/hypervisor/type) $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)$(
            cat /sys/hypervisor/version/extra)"
    expect hypervisor-type xen "$(cat /sys/hypervisor/type 2>&1)"
    expect cpus "$(cmdline pv.cpus)" "$(nproc)"
    modprobe -a virtio_pci virtio_blk
    for disk in vda=web vdb=client vdc=unikernel; do
        must "disk-$disk" grep -sx "${disk#*=}" "/sys/block/${disk%%=*}/serial"
    done
}

start_toolstack() {
    step "starting the store, vaned and a bridge"
    tools_setup > /dev/null 2>&1
    back_ends_ready > /dev/null 2>&1
    must bridge ip link show br0
    start_store
    store_pid=$!
    must store wait_for 20 test -S /run/xenstored/socket
    start_vaned
    must vaned vane list
    free_before=$(free_kib)
}

define_guests() {
    step "defining guests"
    for name in $(names); do
        echo "# vane define /guest/$name.$(format "$name")"
        must "define-$name" vane define "/guest/$name.$(format "$name")"
    done
}
start() {
    echo "# vane start $1"
    must "start-$1" vane start "$1"
}

start_servers() {
    step "starting those that serve; web makes its page, 4 MiB, at its first start"
    for name in $SERVERS; do
        start "$name"
        must "ready-$name" ready "$name" 1
    done
}

start_client() {
    step "starting the one that fetches their pages, and writes them to its disk"
    start client
    show vane list
    if wait_for 400 logs client 'demo: f'; then show vane top -n 1; fi
    must ready-client ready client 1
}

# Each page by its server's word, by the client's, and as dom0 fetches it itself.
pages_are_the_same() {
    step "checksums of the pages (sha256): $1"
    for server in $SERVERS; do
        page=$(page_sum "$server")
        expect "$1-sum-of-$server" 64 ${#page}
        expect "$1-client-fetched-from-$server" "$page" "$(client_word fetched "$server" 3)"
        expect "$1-dom0-fetched-from-$server" "$page" "$(fetched_sum "$server")"
        client_word fetched "$server" 0 | awk -v from="$server" -v page="$page" '
            { printf "%-9s -> client, synced: %d bytes in %.2f s; %.16s... at %s, %.16s... at client\n",
                from, $1, $2 / 100, page, from, $3 }'
    done
}

show_tables() {
    step "what there is to see"
    show vane list
    show vane boot
    echo "# as the Debian guests say: their kernel and initramfs, and all until their job began"
    for name in $DEBIAN; do
        told "$name" boot | awk -v name="$name" '{ printf "%-20s kernel %5.1f s, all %5.1f s\n", name, $3, $6 }'
    done
    show vane disks
    show vane nics
}

reboot_guests() {
    step "rebooting: the disks must keep what was written"
    for name in $SERVERS client; do
        echo "# vane reboot $name"
        must "reboot-$name" vane reboot "$name"
        must "ready-again-$name" ready "$name" 2
    done
    for name in $DEBIAN; do expect "second-boot-$name" 2, "$(told "$name" boot | awk '{ print $1 }')"; done
    expect kept-by-web "$page_of_web" "$(told web 'kept page')"
    for server in $SERVERS; do
        expect "kept-by-client-from-$server" "$(page_sum "$server")" "$(client_word kept "$server" 1)"
    done
}

are_off() { ! vane list | grep -q running; }
stop_guests() {
    step "shutting down"
    for name in $(names); do
        if is "$name" running; then
            echo "# vane shutdown $name"
            check "shutdown-$name" vane shutdown "$name"
        fi
    done
    must all-are-off wait_for 120 are_off
    show vane list
    expect no-back-end-left '' "$(ls /run/vane/back)"
    expect no-domain-left '' "$(vane store ls /local/domain | grep '^/local/domain/[1-9]')"
    check memory-comes-back wait_for 20 is_free_again
    echo "free: $(free_kib) KiB, $free_before KiB before the guests"
}
# The hypervisor's tables of what dom0 has mapped of guests grow as they are first used, and stay: some pages. To the page memory is
# compared by the cases vaned and vaned-kills.
is_free_again() { [ "$(free_kib)" -ge $((free_before - 1024)) ]; }

# The pages as they lie on the client's disk, read by dom0.
disks_hold_pages() {
    step "reading the client's disk from dom0"
    must mount-client mount -t ext4 -o ro /dev/vdb /mnt
    for server in $SERVERS; do
        expect "on-disk-from-$server" "$(eval echo "\$page_of_$server")" "$(sum < /mnt/var/lib/demo/$server)"
    done
    umount /mnt
}

stop_toolstack() {
    step "stopping vaned and the store"
    kill "$vaned_pid"
    check vaned-ends wait_for 20 ended "$vaned_pid"
    kill "$store_pid"
    check store-ends wait_for 20 ended "$store_pid"
    expect dmesg-clean '' "$(complaints)"
}

shell() {
    cat << END

The guests run on. Try this:
  vane list                        vane top                       vane show web
  vane console client              (root, no password; Ctrl-] leaves)
  wget -q -O - 10.0.0.2            wget -q -O - 10.0.0.4/         pages of web and of the unikernel
  vane disks; vane nics            what they read, wrote, received and sent
  vane reboot web; vane events     what happens then; Ctrl-C leaves
  vane --help                      all the rest; vane doctor looks at the host
Ctrl-D shuts the guests down and powers off.
END
    setsid cttyhack sh -l
}

the_host
start_toolstack
define_guests
start_servers
start_client
pages_are_the_same first
page_of_web=$(web_sum) page_of_unikernel=$(unikernel_sum)
show_tables
reboot_guests
pages_are_the_same again
! is_shell || shell
stop_guests
disks_hold_pages
stop_toolstack
pass demo-came-to-its-end
