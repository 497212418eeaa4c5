# SPDX-License-Identifier: MIT
# Run in dom0: Debian's toolstack, unchanged, takes a PV guest through its life. Memory is as before at the end.

. /test/lib.sh
export PATH=$PATH:/usr/lib/xen-4.17/bin:/usr/bin LD_LIBRARY_PATH=/usr/lib
LOG=/var/log/xen/guest-g1.log

# The log of the guest's console has COUNT lines that match REGEXP.
said() { [ "$(tr -d "\r" < $LOG | grep -aEc "$1")" -ge "${2:-1}" ]; }
type_in() { echo "$1" > "$(xenstore-read "/local/domain/$(xl domid g1)/console/tty")"; }
is_gone() { ! xl domid "$1"; }
ended() { [ "$(state g1 | cut -c 4)" = s ]; }
state() { xl list "$1" | awk 'NR == 2 { print $5 }'; }
free_pages() { xl info | sed -n 's/^free_memory *: //p'; }
alive() {
    type_in "$1"
    check "$1" wait_for 20 said "^GUEST-SAYS $1"
}

tools_setup
check store xenstored --pid-file /run/xenstored.pid
check store-answers wait_for 20 test -S /run/xenstored/socket
check init-dom0 xen-init-dom0
check consoles xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen

cat > /tmp/g1.cfg << 'END'
name = "g1"
kernel = "/guest/vmlinuz"
ramdisk = "/guest/initrd"
extra = "console=hvc0 quiet xen_legacy_crash"
memory = 160
vcpus = 2
on_crash = "destroy"
tsc_mode = "native"
END

check info xl info
check create-paused xl create -q -p /tmp/g1.cfg
expect paused --p--- "$(state g1)"
check destroy-paused xl destroy g1
check paused-is-gone wait_for 20 is_gone g1
before=$(free_pages)

check create xl create -q /tmp/g1.cfg
check guest-is-up wait_for 120 said '^GUEST-UP$'
alive after-create
check pause xl pause g1
expect is-paused p "$(state g1 | cut -c 3)"
check unpause xl unpause g1
alive after-pause
check pin xl vcpu-pin g1 all 0
check weight xl sched-credit2 -d g1 -w 512
expect weight-is-kept 512 "$(xl sched-credit2 -d g1 | awk '$1 == "g1" { print $3 }')"
check balloon xl mem-set g1 140
check one-vcpu xl vcpu-set g1 1
check two-vcpus xl vcpu-set --ignore-host g1 2
alive after-changes
check save xl save g1 /tmp/image
check saved-is-gone wait_for 20 is_gone g1
expect memory-after-save "$before" "$(free_pages)"
check restore xl restore /tmp/image
alive after-restore
type_in uptime
check uptime-is-told wait_for 20 said ^GUEST-UPTIME
check uptime-goes-on test "$(sed -n 's/^GUEST-UPTIME \([0-9]*\).*/\1/p' $LOG)" -lt 600
check rename xl rename g1 g2
check rename-back xl rename g2 g1
type_in crash
check crashed-is-gone wait_for 60 is_gone g1
check create-again xl create -q /tmp/g1.cfg
check guest-is-up-again wait_for 120 said '^GUEST-UP$' 2
type_in end
check ended-is-gone wait_for 60 is_gone g1
check create-third xl create -q /tmp/g1.cfg
check guest-is-up-third wait_for 120 said '^GUEST-UP$' 3
# xl's own process for a guest ends when it sees the guest suspended, also if that is to go on: nobody ends it then.
check save-and-go-on xl save -c g1 /tmp/image
rm /tmp/image
alive after-checkpoint
type_in end
check ended-is-shut-down wait_for 60 ended
check destroy-ended xl destroy g1
check destroyed-is-gone wait_for 60 is_gone g1
sleep 1
expect memory-after-all "$before" "$(free_pages)"
expect no-domain-left 1 "$(xl list | grep -c '^[^N]')"
check refuses-too-much sh -c '! xl create -q /tmp/g1.cfg memory=9000'
check refuses-no-kernel sh -c '! xl create -q /tmp/g1.cfg kernel=\"/tmp/g1.cfg\"'
expect memory-after-refusals "$before" "$(free_pages)"
expect guests-dmesg '' "$(complaints)"
