# SPDX-License-Identifier: MIT
# Run in dom0 by bash: guests that spin on one of two CPUs, with weights 256 and 512; one that wants little beside them; a
# cap of 25; hard and soft affinity. Judged by the hypervisor's own account of CPU time.

. /test/xl-lib.sh
start_tools
SECONDS_EACH=60

declare -A id

# spent NAME...: ns of CPU time, together; between NAME: from one look to the other; cpus_of NAME...: where their vCPUs are
ids() { local name; for name; do printf ' %s' "${id[$name]}"; done; }
# Times to be compared come of one look, which may take seconds on a busy host.
between() { awk -v id="${id[$1]}" '$1 == "dom" && $2 == id { ns = $3 - ns } END { printf "%.0f", ns }' /tmp/before /tmp/after; }
spent() { domstat | awk -v ids="$(ids "$@") " '$1 == "dom" && ids ~ " " $2 " " { sum += $3 } END { print sum }'; }
cpus_of() { domstat | awk -v ids="$(ids "$@") " '$1 == "vcpu" && ids ~ " " $2 " " { print $5 }' | sort -u; }
microseconds() { echo "${EPOCHREALTIME/./}"; }
# VALUE differs from WANT by at most LIMIT
within() { awk -v v="$1" -v want="$2" -v limit="$3" 'BEGIN { d = v - want; exit !(d <= limit && d >= -limit) }'; }
# on_cpu CPU NAME...: at some looks
on_cpu() {
    local cpu=$1 cpus
    shift
    for _ in 1 2 3 4 5; do
        cpus=$(cpus_of "$@")
        [ "$cpus" = "$cpu" ] || { echo "$* on" $cpus "and not on $cpu"; return 1; }
        sleep 0.3
    done
}
# per_cent SECONDS NAME...: CPU time that they get together, of one CPU
per_cent() {
    local seconds=$1 before from
    shift
    before=$(spent "$@") from=$(microseconds)
    sleep "$seconds"
    awk -v ns=$(($(spent "$@") - before)) -v us=$(($(microseconds) - from)) 'BEGIN { printf "%.2f", ns / us / 10 }'
}
spin() { ask "$1" 'while :; do :; done &'; }
answers() { ask "$1" "echo answer-\$((6 * 7))-$2"; wait_for "${3:-5}" said "$1" "^answer-42-$2"; }

step pin-dom0 xl vcpu-pin 0 all 0
for name in one two meek; do
    define $name 96 1 'cpus="1"'
    step $name-create quiet xl create /tmp/$name.cfg
    step $name-ready guest_ready $name
    id[$name]=$(xl domid $name)
done
spin one
spin two
sleep 3
step weight xl sched-credit2 -d two -w 512
check meek-answers answers meek first
domstat > /tmp/before
sleep $SECONDS_EACH
domstat > /tmp/after
one=$(between one) two=$(between two)
ratio=$(awk -v a="$one" -v b="$two" 'BEGIN { printf "%.3f", b / a }')
echo "in $SECONDS_EACH s the guest of weight 256 ran $((one / 1000000)) ms, that of 512 $((two / 1000000)) ms: 1 : $ratio"
check weights-hold within "$ratio" 2 0.1
check meek-answers-still answers meek second
check hard-affinity on_cpu 1 one two
step pause-one xl pause one
step cap xl sched-credit2 -d two -c 25
sleep 1
share=$(per_cent $SECONDS_EACH two)
echo "with a cap of 25 it ran $share per cent of the time"
check cap-holds within "$share" 25 2
step no-cap xl sched-credit2 -d two -c 0
check uncapped within "$(per_cent 5 two)" 100 10
step unpause-one xl unpause one
step to-cpu-0 xl vcpu-pin two 0 0
sleep 1
check moved on_cpu 0 two
check dom0-not-starved wait_for 5 xl list
check one-has-its-own within "$(per_cent 5 one)" 100 10
step pause-again xl pause one
step soft xl vcpu-pin two 0 all 1
sleep 1
check soft-affinity on_cpu 1 two
step hard-any-one xl vcpu-pin one 0 all 1
step unpause-again xl unpause one
sleep 2
both=$(per_cent 10 one two)
echo "two guests that spin and both prefer one of two CPUs ran $both per cent of one"
check soft-is-no-must within "$both" 190 20
step end sh -c "xl destroy one && xl destroy two && xl destroy meek"
