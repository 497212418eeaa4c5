# SPDX-License-Identifier: MIT
# Run in dom0: libvane makes guests, beside Debian's xl; they say a line, shut down, and their memory comes back.

. /test/vane-lib.sh
OPTIONS='console=hvc0 quiet'

# first_line NAME COMMAND...: value NAME, the milliseconds from the command to the guest's first line
first_line() {
    local name=$1 before
    before=$(now_ms)
    shift
    "$@" > "/tmp/$name.out" 2>&1 || { fail "starts-$name" "$(tail -n 1 "/tmp/$name.out")"; return 1; }
    value "$name-create-ms" $(($(now_ms) - before))
    wait_for 120 said "$name" GUEST-UP || { fail "first-line-$name" "no line within 120 s"; return 1; }
    value "$name-first-line-ms" $(($(now_ms) - before))
    pass "first-line-$name"
}

start_daemons

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
check theirs-is-gone wait_for 20 is_gone theirs

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
    check answers wait_for 20 said ours 'GUEST-SAYS hello'
    expect calls ok "$(vane-build calls "$id" 2>&1)"
    type_in "$id" again
    check answers-still wait_for 20 said ours 'GUEST-SAYS again'
    type_in "$id" end
    expect shuts-down poweroff "$(vane-build wait "$id" 60)"
    check destroy vane-build destroy "$id"
    check nodes-are-gone sh -c "! xenstore-read /local/domain/$id/name"
fi
check memory-comes-back frees "$before"

# Two of one kernel: for the second it is not unpacked again. What xl does to ours, and ours to what xl made.
vane-build create pair 128 1 /guest/vmlinuz /guest/initrd "$OPTIONS" count=2 > /tmp/pair.out
expect two 2 "$(grep -c ^domid /tmp/pair.out)"
cat /tmp/pair.out
for name in pair-1 pair-2; do check "line-$name" wait_for 120 said $name GUEST-UP; done
check xl-destroys-ours xl destroy pair-1
check ours-destroys vane-build destroy "$(xl domid pair-2)"
for name in pair-1 pair-2; do check "gone-$name" wait_for 20 is_gone $name; done
check memory-after-two frees "$before"

# A console that xenconsoled leaves alone.
vane-build create own 128 1 /guest/vmlinuz /guest/initrd "$OPTIONS" console=vane > /tmp/own.out 2>&1
cat /tmp/own.out
id=$(domid_of /tmp/own.out)
check own-console vane-build console "$id" 'through-our-ring
' 'GUEST-SAYS through-our-ring'
check not-xenconsoleds test ! -e $LOGS/guest-own.log
check own-destroy vane-build destroy "$id"
check memory-after-own frees "$before"

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
