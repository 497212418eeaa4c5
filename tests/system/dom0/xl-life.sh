# SPDX-License-Identifier: MIT
# Run in dom0 by bash: each way in which a guest ends, and what its configuration says then. A guest of which something is
# still mapped when it ends keeps its id until that is given back. Nothing of any is left.

. /test/xl-lib.sh
start_tools

listed() { xl list | awk 'NR > 2 { print $1, $4 }'; }
state() { xl list "$1" 2> /dev/null | awk 'NR == 2 { print $5 }'; }
# ended NAME LETTER: it has, and its state shows LETTER
ended() { state "$1" | grep -q "$2"; }
reason() { xl list -v "$1" | awk 'NR == 2 { print $8 }'; }
readies() { [ "$(grep -ac 'guest ready' "$LOGS/guest-$1.log")" -ge "$2" ]; }
alone() { [ "$(xl list | wc -l)" = 2 ]; }
free_pages() { domstat | awk '$1 == "free" { print $2 }'; }
memory_back() { [ "$(free_pages)" = "$1" ]; }

# begin NAME LINE...
begin() {
    local name=$1
    shift
    rm -f "$LOGS/guest-$name.log"
    define "$name" 128 1 "$@"
    step "$name-create" quiet xl create "/tmp/$name.cfg"
    step "$name-ready" guest_ready "$name"
}

# Its last words, what is left of it, and what xl calls its end
preserved() {
    begin "$1" "on_$2=\"preserve\""
    ask "$1" "$3"
    step "$1-ends" wait_for 40 ended "$1" "$4"
    step "$1-reason" reason "$1"
    step "$1-destroy" xl destroy "$1"
    step "$1-gone" wait_for 20 alone
}

begin first && xl destroy first
wait_for 20 alone
sleep 1
before=$(free_pages)

preserved poweroff poweroff 'poweroff -f' s
preserved reboot reboot 'reboot -f' s
preserved crash crash 'echo c > /proc/sysrq-trigger' c
preserved watchdog watchdog 'modprobe xen_wdt timeout=3; exec 9> /dev/watchdog' s

begin again 'on_crash="restart"'
ask again 'echo c > /proc/sysrq-trigger'
step again-ready wait_for 120 readies again 2
step again-destroy xl destroy again
begin dumps 'on_crash="coredump-destroy"'
mkdir -p /var/lib/xen/dump
ask dumps 'echo c > /proc/sysrq-trigger'
step dumps-gone wait_for 400 alone
step dumped sh -c 'head -c 4 /var/lib/xen/dump/* | tail -c 3; rm -f /var/lib/xen/dump/*'
begin kept
step save-and-stay quiet xl save -c kept /tmp/saved
ask kept 'echo on-$((6 * 7))'
step kept-goes-on wait_for 20 said kept '^on-42'
step kept-paused quiet xl save -p kept /tmp/saved
step kept-state state kept
step kept-destroy xl destroy kept
rm -f /tmp/saved

# A page of it stays mapped in dom0: so it stays, and its id is not given to another.
begin held
id=$(xl domid held)
domstat hold "$id" "$(xenstore-read "/local/domain/$id/console/ring-ref")" > /tmp/hold &
holder=$!
step held-mapped wait_for 10 grep -q mapped /tmp/hold
step held-destroy xl destroy held
sleep 1
step held-listed sh -c "xl list | awk 'NR > 2 { print \$1, \$5 }'"
step held-id-taken domstat take "$id"
begin other
step other-id test "$(xl domid other)" != "$id"
step other-destroy xl destroy other
kill $holder
step held-gone wait_for 20 alone
step held-id-free domstat take "$id"

step no-zombie wait_for 20 alone
check memory-back wait_for 20 memory_back "$before"
echo "free pages: $before before, $(free_pages) after"
