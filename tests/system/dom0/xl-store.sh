# SPDX-License-Identifier: MIT
# Run in dom0 by bash: Debian's unmodified xl, its daemons, scripts and xenstore-* commands on our store in place of xenstored.

. /test/xl-lib.sh
STORE=ours
start_tools

nodes() { xenstore-ls -f / | sed 's/ = .*//'; }
nodes_of() { xenstore-ls "/local/domain/$1" | sed 's/ = .*//'; }
as_before() { [ "$(nodes)" = "$before" ]; }
alone() { [ "$(xl list | wc -l)" = 2 ]; }
list() { xl list | columns 1,4; }
answers() { ask "$1" "echo answer-\$((6 * 7))-$2"; wait_for 60 said "$1" "^answer-42-$2"; }
# What it tells of: the watch itself, and then a change.
watched() {
    xenstore-watch -n 2 /tool/test > /tmp/watched &
    wait_for 10 test -s /tmp/watched
    xenstore-write /tool/test/deep value
    wait $!
    cat /tmp/watched
}
rebooted() { [ "$(grep -ac 'guest ready' $LOGS/guest-one.log)" -gt 1 ]; }

check store-is-ours pidof vane-stored
check no-other-store sh -c '! pidof xenstored'
step control-check xenstore-control check
step write xenstore-write /tool/test/a 1 /tool/test/b 'two words'
step read xenstore-read /tool/test/a /tool/test/b
step read-nothing xenstore-read /tool/test/c
step exists xenstore-exists /tool/test/a
step exists-not xenstore-exists /tool/test/c
step list xenstore-list /tool/test
step chmod xenstore-chmod /tool/test/a n0 r5
step ls xenstore-ls -p /tool/test
step watch watched
step rm xenstore-rm /tool/test
step list-dom0 list

define one 128 2
step create quiet xl create /tmp/one.cfg
step ready guest_ready one
step listed list
step answers answers one first
step its-nodes nodes_of "$(xl domid one)"
step pause xl pause one
step unpause xl unpause one
truncate -s 32M /tmp/disk && losetup /dev/loop0 /tmp/disk
step block-attach quiet xl block-attach one phy:/dev/loop0 xvda w
ask one 'echo disk-$(grep -c xvda /proc/partitions)'
step block-seen wait_for 60 said one '^disk-1'
step block-detach quiet xl block-detach one xvda
step network-attach quiet xl network-attach one bridge=br0 mac=00:16:3e:00:00:01
step network-detach quiet xl network-detach one 0
step rename xl rename one two
step renamed list
step rename-back xl rename two one
step save quiet xl save one /tmp/saved
step restore quiet xl restore /tmp/saved
step restored answers one second
step reboot quiet xl reboot one
step rebooted wait_for 180 rebooted
step destroy xl destroy one
step destroyed wait_for 20 alone
rm -f $LOGS/guest-one.log

# What one guest leaves in the store is for all.
before=$(nodes)
step create-again quiet xl create /tmp/one.cfg
step ready-again guest_ready one
step shutdown quiet xl shutdown -w one
step shut-down wait_for 20 alone
check nodes-as-before wait_for 20 as_before
diff <(echo "$before") <(nodes)
step control-check-again xenstore-control check
