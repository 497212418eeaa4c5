# SPDX-License-Identifier: MIT
# Run in dom0 by bash: each of xl's commands once or more, on guests with Debian's kernel. The host compares what
# each says under Debian's Xen and under ours; so nothing may be printed that time, order or memory left over decide.

. /test/xl-lib.sh
start_tools

info_values() { xl info | awk '/^(nr_cpus|nr_nodes|threads_per_core|cores_per_socket|virt_caps|xen_major|xen_minor|xen_caps|xen_scheduler|xen_pagesize|platform_params|max_cpu_id) *:/'; }
list() { xl list "$@" | columns 1,4; }
settled() { xl list "$1" | awk 'NR == 2 { exit !($5 ~ /'"$2"'/) }'; }
# Its console answers a question whose answer is not part of it.
answers() { ask "$1" "echo answer-\$((6 * 7))-$2"; wait_for 30 said "$1" "^answer-42-$2"; }

step info-fields sh -c "xl info | sed 's/ *:.*//' | sort"
step info-values info_values
step list-dom0 list
step uptime sh -c "xl uptime | awk 'NR > 1 { print \$1, \$2 }'"
step cpupool-list sh -c "xl cpupool-list | awk 'NR > 1 { print \$1, \$2, \$4, \$5 }'"
step claims sh -c "xl claims | columns 1,4 2>/dev/null || xl claims | awk 'NR > 1 { print \$1, \$4 }'"
step dmesg quiet xl dmesg
step no-such-domain xl domid nobody

define one 128 2 'maxvcpus=2' 'maxmem=160'
before=$(xl info free_memory)
step create quiet xl create /tmp/one.cfg
step ready guest_ready one
step list list
step list-l sh -c "xl list -l one | grep -oE '\"[a-z_]+\":' | sort -u"
step vcpu-list sh -c "xl vcpu-list one | awk 'NR > 1 { print \$1, \$3, \$7, \$8, \$9 }'"
step answers answers one first
step pause xl pause one
step paused wait_for 5 settled one p
step unpause xl unpause one
step unpaused answers one second
step vcpu-pin xl vcpu-pin one 0 0
step pinned sh -c "xl vcpu-list one | awk 'NR == 2 { print \$7, \$8, \$9 }'"
step vcpu-set quiet xl vcpu-set one 1
step vcpus-down wait_for 20 sh -c "xl vcpu-list one | awk '\$3 == 1 { exit \$5 !~ /p/ }'"
step mem-set xl mem-set one 112
step mem-less wait_for 20 sh -c "xl list one | awk 'NR == 2 { exit \$3 > 113 }'"
step mem-max xl mem-max one 200
step sched-credit2 xl sched-credit2 -d one -w 512
step sched-cap xl sched-credit2 -d one -c 25
step sched-shown sh -c "xl sched-credit2 -d one | awk 'NR > 1 { print \$1, \$3, \$4 }'"
step sched-no-cap xl sched-credit2 -d one -c 0
step rename xl rename one two
step renamed list
step rename-back xl rename two one
step sysrq xl sysrq one h
step sysrq-seen wait_for 10 said one 'sysrq: HELP'
quiet xl top -b -i 1
step top sh -c "xl top -b -i 1 | grep -cE '^ *(Domain-0|one) '"
step dump-core quiet xl dump-core one /tmp/core
step core-written sh -c "head -c 4 /tmp/core | tail -c 3; rm -f /tmp/core"
truncate -s 32M /tmp/disk && losetup /dev/loop0 /tmp/disk
step block-attach quiet xl block-attach one phy:/dev/loop0 xvda w
step block-list sh -c "xl block-list one | awk 'NR > 1 { print \$1, \$2, \$4 }'"
ask one 'echo disk-$(grep -c xvda /proc/partitions)'
step block-seen wait_for 20 said one '^disk-1'
step block-detach quiet xl block-detach one xvda
step network-attach quiet xl network-attach one bridge=br0 mac=00:16:3e:00:00:01
step network-list sh -c "xl network-list one | awk 'NR > 1 { print \$1, \$2, \$3, \$5 }'"
step network-detach quiet xl network-detach one 0
step save quiet xl save one /tmp/saved
step saved list
step restore quiet xl restore /tmp/saved
step restored answers one third
step reboot quiet xl reboot one
step rebooted wait_for 60 sh -c "[ \$(grep -ac 'guest ready' $LOGS/guest-one.log) -gt 1 ]"
step shutdown quiet xl shutdown -w one
step shut-down is_gone one
# attached PATTERN COMMAND: on a terminal of its own, which Ctrl-] leaves after 25 s. Was PATTERN seen there?
attached() {
    (sleep 25; printf '\035'; sleep 1) | script -q -c "$2" /tmp/typescript > /dev/null
    grep -aq "$1" /tmp/typescript
}
step create-c attached 'guest ready' 'xl create -c /tmp/one.cfg'
(sleep 5; ask one 'echo seen-$((6 * 7))') &
step console attached 'seen-42' 'xl console one'
step destroy xl destroy one
step destroyed list
sleep 1
echo "free memory: $before MiB before, $(xl info free_memory) after"
step memory-back test "$(xl info free_memory)" -ge "$before"
