# SPDX-License-Identifier: MIT
# Run in dom0 by bash: two guests that spin on one CPU, with weights 256 and 512, then one of them with a cap of 25.
# What they got of it is compared with what they were to get, not with the other hypervisor.

. /test/xl-lib.sh
start_tools
SECONDS_EACH=60

spent() { xl list "$1" | awk 'NR == 2 { print $6 }'; }
# Per cent of 100 * PART / WHOLE that VALUE is off, at most LIMIT
within() { awk -v v="$1" -v want="$2" -v limit="$3" 'BEGIN { d = v - want; exit !(d <= limit && d >= -limit) }'; }

step pin-dom0 xl vcpu-pin 0 all 0
for name in one two; do
    define $name 96 1 'cpus="1"'
    step $name-create quiet xl create /tmp/$name.cfg
    step $name-ready guest_ready $name
    ask $name 'while :; do :; done &'
done
sleep 3
step weight xl sched-credit2 -d two -w 512
a=$(spent one) b=$(spent two)
sleep $SECONDS_EACH
one=$(echo "$(spent one) $a" | awk '{ print $1 - $2 }') two=$(echo "$(spent two) $b" | awk '{ print $1 - $2 }')
ratio=$(echo "$two $one" | awk '{ printf "%.3f", $1 / $2 }')
echo "in $SECONDS_EACH s the guest of weight 256 ran $one s, that of 512 $two s: 1 : $ratio"
step weights-hold within "$ratio" 2 0.1
step pause-one xl pause one
step cap xl sched-credit2 -d two -c 25
sleep 1
b=$(spent two) from=$(cut -d' ' -f1 /proc/uptime)
sleep $SECONDS_EACH
share=$(echo "$(spent two) $b $(cut -d' ' -f1 /proc/uptime) $from" | awk '{ printf "%.2f", 100 * ($1 - $2) / ($3 - $4) }')
echo "with a cap of 25 it ran $share per cent of the time"
step cap-holds within "$share" 25 2
step end sh -c "xl destroy one && xl destroy two"
