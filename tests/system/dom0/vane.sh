# SPDX-License-Identifier: MIT
# Run in dom0: libvane makes guests, beside Debian's xl; they say a line, shut down, and their memory comes back.

. /test/lib.sh
export PATH=$PATH:/usr/lib/xen-4.17/bin:/usr/bin LD_LIBRARY_PATH=/usr/lib
LOGS=/var/log/xen
OPTIONS='console=hvc0 quiet'

# await SECONDS COMMAND...: until it succeeds
await() {
    local tries=$(($1 * 10))
    shift
    until "$@" > /dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

said() { grep -aq "$2" "$LOGS/guest-$1.log"; }
type_in() { echo "$2" > "$(xenstore-read "/local/domain/$1/console/tty")"; }
now_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
# The memory is as it was; what it is else.
frees() {
    await 10 sh -c "[ \"\$(vane-build free)\" = $1 ]" || { vane-build free; return 1; }
}
is_gone() { ! xl domid "$1"; }
domid_of() { sed -n 's/^domid \([0-9]*\) .*/\1/p' "$1"; }

# first_line NAME COMMAND...: value NAME, the milliseconds from the command to the guest's first line
first_line() {
    local name=$1 before
    before=$(now_ms)
    shift
    "$@" > "/tmp/$name.out" 2>&1 || { fail "starts-$name" "$(tail -n 1 "/tmp/$name.out")"; return 1; }
    value "$name-create-ms" $(($(now_ms) - before))
    await 120 said "$name" GUEST-UP || { fail "first-line-$name" "no line within 120 s"; return 1; }
    value "$name-first-line-ms" $(($(now_ms) - before))
    pass "first-line-$name"
}

mkdir -p $LOGS /var/lib/xen /var/lib/xenstored /var/run /run/xen /run/xenstored /run/lock /etc/xen /proc/xen
[ -e /var/run/xen ] || ln -s /run/xen /run/xenstored /var/run/
ln -s /run/lock /var/lock 2> /dev/null
echo 'autoballoon="off"' > /etc/xen/xl.conf
ifconfig lo 127.0.0.1 up
modprobe -a xenfs xen-privcmd xen-evtchn xen-gntdev xen-gntalloc
mount -t xenfs xenfs /proc/xen
check store xenstored --pid-file /run/xenstored.pid
check store-answers await 20 test -S /run/xenstored/socket
check init-dom0 xen-init-dom0
check consoles xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=$LOGS

check info vane-build info
vane-build info
cat > /tmp/theirs.cfg << END
name = "theirs"
kernel = "/guest/vmlinuz"
ramdisk = "/guest/initrd"
extra = "$OPTIONS"
memory = 160
vcpus = 2
tsc_mode = "native"
END
first_line theirs xl create -q /tmp/theirs.cfg
xl destroy theirs
check theirs-is-gone await 20 is_gone theirs

# What dom0 keeps for its first guest (tables of grants and ports) is not the second one's.
sleep 1
before=$(vane-build free)
value free-pages "$before"

first_line ours vane-build create ours 160 2 /guest/vmlinuz /guest/initrd "$OPTIONS"
cat /tmp/ours.out
id=$(domid_of /tmp/ours.out)
if [ -n "$id" ]; then
    expect xl-sees-it ours "$(xl domname "$id")"
    expect xl-counts-vcpus 2 "$(xl vcpu-list "$id" | grep -c '^ours')"
    type_in "$id" hello
    check answers await 20 said ours 'GUEST-SAYS hello'
    type_in "$id" end
    expect shuts-down poweroff "$(vane-build wait "$id" 60)"
    check destroy vane-build destroy "$id"
    check nodes-are-gone sh -c "! xenstore-read /local/domain/$id/name"
fi
check memory-comes-back frees "$before"

# Two of one kernel: for the second it is not unpacked again. What xl does to ours, and ours to what xl made.
check two vane-build create pair 128 1 /guest/vmlinuz /guest/initrd "$OPTIONS" 2 > /tmp/pair.out
cat /tmp/pair.out
for name in pair-1 pair-2; do check "line-$name" await 120 said $name GUEST-UP; done
check xl-destroys-ours xl destroy pair-1
check ours-destroys vane-build destroy "$(xl domid pair-2)"
for name in pair-1 pair-2; do check "gone-$name" await 20 is_gone $name; done
check memory-after-two frees "$before"

refuses() {
    local name=$1 why=$2 said
    shift 2
    said=$(vane-build create "$@" 2>&1) && fail "refuses-$name" "it was made"
    case $said in
    *$why*) pass "refuses-$name" ;;
    *) fail "refuses-$name" "$said" ;;
    esac
}
refuses too-much 'MiB are free' big 900000 1 /guest/vmlinuz /guest/initrd "$OPTIONS"
refuses too-little 'give the guest more' small 16 1 /guest/vmlinuz /guest/initrd "$OPTIONS"
refuses no-kernel 'neither a bzImage nor' text 64 1 /init /guest/initrd "$OPTIONS"
refuses no-initramfs 'No such file' none 128 1 /guest/vmlinuz /guest/nothing "$OPTIONS"
check memory-after-refusals frees "$before"
expect no-domain-left 1 "$(vane-build list | wc -l)"
expect dmesg-clean '' "$(complaints)"
