# SPDX-License-Identifier: MIT
# Run in dom0 by bash, in one machine after another, whose first disk passes from one to the next: guests are restored of
# what the hypervisor before saved there, in the first machine made; then saved for the next. Each has what it had in
# memory, and its clocks have gone on.

. /test/xl-lib.sh
modprobe -a virtio_pci virtio_blk crc32c_generic ext4
start_tools
mount -t ext4 /dev/vda /mnt
is_first=
[ -e /mnt/begun ] || is_first=yes
: > /mnt/begun

# answer NAME LABEL COMMAND: what the guest prints for it
answer() {
    local tag=$2-$RANDOM
    ask "$1" "echo \$(printf %s- $tag; $3)"
    wait_for 240 said "$1" "^$tag-" && sed -n "s/^$tag-//p" "$LOGS/guest-$1.log" | tr -d '\r' | tail -n 1
}

make() {
    quiet xl create "/tmp/$1.cfg" || return 1
    guest_ready "$1" 180 || return 1
    answer "$1" made "head -c 12m /dev/urandom > /tmp/f; md5sum < /tmp/f | cut -c1-32" > "/mnt/$1.sum"
    [ "$(wc -c < "/mnt/$1.sum")" = 33 ]
}

resume() {
    quiet xl restore "/mnt/$1.image" || { tail -n 5 "$LOGS"/xl-"$1"*.log; return 1; }
    answer "$1" up uptime
}
same_memory() {
    local sum
    sum=$(answer "$1" sum "md5sum < /tmp/f | cut -c1-32")
    [ "$sum" = "$(cat "/mnt/$1.sum")" ] || { echo "its file's sum is $sum, not $(cat "/mnt/$1.sum")"; return 1; }
}
# ask_clocks NAME: dom0's wall clock before it was asked, and what the guest's program says, in ms
ask_clocks() { echo "$((${EPOCHREALTIME/./} / 1000))" "$(answer "$1" clocks clocks)"; }
# Its wall clock is as far from dom0's as it was; Linux' own resume may shift it by up to two seconds.
clocks_go_on() {
    local was_at was_mono was_boot was_real at mono boot real lag
    read -r was_at _ was_mono was_boot was_real _ < "/mnt/$1.clocks"
    read -r at _ mono boot real _ <<< "$(ask_clocks "$1")"
    lag=$((was_at > was_real ? was_at - was_real : 0))
    echo "$1: monotonic $was_mono -> $mono, uptime $was_boot -> $boot, wall clock $was_real -> $real ms; dom0's $was_at -> $at"
    [ $((mono - was_mono)) -ge 0 ] && [ $((mono - was_mono)) -le 60000 ] &&
        [ $((real - at)) -ge $((-lag - 3000)) ] && [ $((real - at)) -le 20000 ] && [ $((boot - was_boot)) -ge 0 ]
}
cpus() { [ "$(answer "$1" cpus nproc)" = "$2" ]; }

# guest NAME SERIES MIB VCPUS
guest() {
    local name=$1
    SERIES=$2 define "$name" "$3" "$4"
    if [ -n "$is_first" ]; then
        check "$name-make" make "$name"
    else
        check "$name-restore" resume "$name"
    fi
    xl domid "$name" > /dev/null 2>&1 || return
    if [ -z "$is_first" ]; then
        check "$name-memory" same_memory "$name"
        clocks_go_on "$name" > /tmp/why
        check "$name-clocks" test $? = 0
        cat /tmp/why
        check "$name-cpus" cpus "$name" "$4"
    fi
    ask_clocks "$name" > "/mnt/$name.clocks"
    rm -f "/mnt/$name.image"
    check "$name-save" quiet xl save "$name" "/mnt/$name.image"
}

guest old1 6.1 112 1
guest old2 6.1 128 2
guest new1 6.12 192 1
guest new2 6.12 192 2
umount /mnt
