# SPDX-License-Identifier: MIT
# Run in dom0 by bash: each of xl's commands once or more, on guests with Debian's kernel. The host compares what
# each says under Debian's Xen and under ours; so nothing may be printed that time, order or memory left over decide.

. /test/xl-lib.sh
start_tools

info_fields() { xl info | sed 's/ *:.*//' | sort; }
# Debian's Xen has HVM and version 2 of grants; that ours has not it says by leaving them out.
info_values() { xl info | awk '/^(nr_cpus|nr_nodes|threads_per_core|cores_per_socket|virt_caps|xen_major|xen_minor|xen_caps|xen_scheduler|xen_pagesize|platform_params|max_cpu_id) *:/' | sed -E 's/ (hvm[^ ]*|gnttab-v2)//g'; }
list() { xl list "$@" | columns 1,4; }
# shown COLUMNS COMMAND...: of a table that is printed under a status which counts too
shown() {
    local list=$1 out
    shift
    out=$("$@") && columns "$list" <<< "$out"
}
settled() { xl list "$1" | awk 'NR == 2 { exit !($5 ~ /'"$2"'/) }'; }
vcpu_is_down() { xl vcpu-list one | awk '$3 == 1 { exit $5 !~ /p/ }'; }
has_at_most() { xl list one | awk 'NR == 2 { exit $3 > '"$1"' }'; }
list_names() { xl list -l one | grep -oE '"[a-z_]+":' | sort -u; }
list_all_vcpus() { xl vcpu-list | columns 1,3 | sort; }
hv_log_size() { stat -c %s $LOGS/hypervisor.log; }
hv_log_grew() { [ "$(hv_log_size)" -gt "$hv_log_before" ]; }
core_head() { head -c 4 /tmp/core | tail -c 3; rm -f /tmp/core; }
# Its console answers a question whose answer is not part of it.
answers() { ask "$1" "echo answer-\$((6 * 7))-$2"; wait_for 60 said "$1" "^answer-42-$2"; }
# attached KEY PATTERN COMMAND: on a terminal of its own, where KEY is pressed once PATTERN was seen there
attached() {
    local end=$((SECONDS + 180))
    rm -f /tmp/typescript
    (until grep -aqE "$2|^Script done" /tmp/typescript || [ $SECONDS -gt $end ]; do sleep 0.5; done 2> /dev/null
        printf "$1"; sleep 3) |
        TERM=linux timeout 240 script -q -f -c "timeout 200 $3" /tmp/typescript > /dev/null 2>&1
    grep -aq "$2" /tmp/typescript || { tail -n 3 /tmp/typescript; return 1; }
}

step info-fields info_fields
step info-values info_values
step list-dom0 list
step uptime shown 1,2 xl uptime
step cpupool-list shown 1,2,4,5 xl cpupool-list
step claims shown 1,4 xl claims
step dmesg quiet xl dmesg
step dmesg-again test -n "$(xl dmesg)"
hv_log_before=$(hv_log_size)
step debug-keys xl debug-keys q
step hypervisor-log wait_for 20 hv_log_grew
step dmesg-clear quiet xl dmesg -c
step no-such-domain xl domid nobody

define one 128 2 'maxvcpus=2' 'maxmem=160'
before=$(xl info free_memory)
step create quiet xl create /tmp/one.cfg
step ready guest_ready one
step list list
step list-l list_names
step vcpu-list shown 1,3,7,8,9 xl vcpu-list one
step vcpu-list-all list_all_vcpus
step answers answers one first
step create-twice quiet xl create /tmp/one.cfg
step pause xl pause one
step paused wait_for 10 settled one p
step unpause xl unpause one
step unpaused answers one second
step vcpu-pin xl vcpu-pin one 0 0
step pinned shown 7,8,9 xl vcpu-list one
step vcpu-pin-soft xl vcpu-pin one 1 - 1
step pinned-soft shown 7,8,9 xl vcpu-list one
step vcpu-pin-nowhere quiet xl vcpu-pin one 0 7
step vcpu-set quiet xl vcpu-set one 1
step vcpus-down wait_for 60 vcpu_is_down
step vcpu-set-back quiet xl vcpu-set one 2
step mem-set xl mem-set one 112
step mem-less wait_for 60 has_at_most 113
step mem-max xl mem-max one 200
step sched-credit2 xl sched-credit2 -d one -w 512
step sched-cap xl sched-credit2 -d one -c 25
step sched-shown shown 1,3,4 xl sched-credit2 -d one
step sched-no-cap xl sched-credit2 -d one -c 0
step sched-all shown 1,3,4 xl sched-credit2
step sched-pool quiet xl sched-credit2 -s -p Pool-0
step sched-other quiet xl sched-credit -d one
step rename xl rename one two
step renamed list
step rename-back xl rename two one
step sysrq xl sysrq one h
step sysrq-seen wait_for 30 said one 'sysrq: HELP'
# `xl top` calls xentop without what it was given; what -b prints is xentop's own.
xentop -b -i 1 > /tmp/top
step top-b shown 1,9 cat /tmp/top
step top attached q Domain-0 'xl top'
step dump-core quiet xl dump-core one /tmp/core
step core-written core_head
truncate -s 32M /tmp/disk && losetup /dev/loop0 /tmp/disk
step block-attach quiet xl block-attach one phy:/dev/loop0 xvda w
step block-list shown 1,2,4 xl block-list one
ask one 'echo disk-$(grep -c xvda /proc/partitions)'
step block-seen wait_for 60 said one '^disk-1'
step block-detach quiet xl block-detach one xvda
step block-list-none shown 1,2,4 xl block-list one
step network-attach quiet xl network-attach one bridge=br0 mac=00:16:3e:00:00:01
step network-list shown 1,2,3,5 xl network-list one
step network-detach quiet xl network-detach one 0
step network-list-none shown 1,2,3,5 xl network-list one
step save quiet xl save one /tmp/saved
step saved list
step restore quiet xl restore /tmp/saved
step restored answers one third
step reboot quiet xl reboot one
rebooted() { [ "$(grep -ac 'guest ready' $LOGS/guest-one.log)" -gt 1 ]; }
step rebooted wait_for 180 rebooted
step shutdown quiet xl shutdown -w one
step shut-down is_gone one
step create-c attached '\035' 'guest ready' 'xl create -c /tmp/one.cfg'
(sleep 5; ask one 'echo seen-$((6 * 7))') &
step console attached '\035' 'seen-42' 'xl console one'
step destroy xl destroy one
step destroyed list
step create-paused quiet xl create -p /tmp/one.cfg
step list-paused list
step destroy-paused xl destroy one
sleep 1
echo "free memory: $before MiB before, $(xl info free_memory) after"
step memory-back test "$(xl info free_memory)" -ge "$before"
