# SPDX-License-Identifier: MIT
# Run in dom0: kill -9 of vaned, of vane-stored or of both at random moments of a loop of starts and stops, while another guest
# runs on. Nothing is left of what was under way: no domain, node, page, port, file, loop device or interface; and the other
# guest, its disk and its NIC still answer.

. /test/vane-lib.sh
KILLS=$(cmdline pv.kills)
SEED=$(cmdline pv.seed)
[ -n "$SEED" ] || SEED=$(od -An -N 3 -t u4 /dev/urandom | tr -d ' ')
echo "kills: $KILLS with pv.seed=$SEED"

# keep PROGRAM: as an init system would, until /tmp/over is there
keep() {
    while [ ! -e /tmp/over ]; do
        "$1" > /dev/null 2>> "/tmp/$1.log"
        sleep 0.1
    done
}
is() { vane show "$1" | grep -q "^state *$2\$"; }
ask() { (echo "$1"; sleep 1; printf '\035') | vane console --take steady > /dev/null; }
hears() { check "$1" wait_for 60 logs steady "$2"; }
# tiny NAME WHAT-IT-DOES [FIELD]
tiny() {
    echo "{\"name\": \"$1\", \"memory_kib\": 8192, \"kernel\": \"/guest/tiny\", \"cmdline\": \"$2\"${3:+, $3}}" > "/tmp/$1.json"
}
# devices FILE: a disk of it, and a NIC
devices() {
    echo "\"disks\": [{\"type\": \"file\", \"format\": \"raw\", \"file\": \"$1\", \"target\": \"xvda\"}],
        \"nics\": [{\"type\": \"bridge\", \"bridge\": \"br0\"}]"
}

# Each way to begin and to end, over and over; what fails fails because somebody was killed.
work() {
    local rounds=0
    while [ ! -e /tmp/stop ]; do
        vane start waits
        vane destroy waits
        vane start ends
        vane create /tmp/passes.json
        vane destroy passes
        rounds=$((rounds + 1))
        echo $rounds > /tmp/rounds
    done > /tmp/work.log 2>&1
}

answering() { vane list && vane-store list /; }
# What must be as it was. Nodes have their values and permissions.
state() {
    echo "ports $(vane-build ports)"
    vane-build list | awk '{ print "domain", $1, $2, $3 }'
    vane-store ls
    ls -a /run/vane /var/lib/vane /sys/class/net
    losetup -a | sed 's/ .*//'
}
as_before() { state > /tmp/after && cmp -s /tmp/before /tmp/after; }

tools_setup
back_ends_ready
new_disk
truncate -s 1M /tmp/small
mkdir -p /run/vane
keep vane-stored &
keep vaned &
check daemons wait_for 30 answering
tiny waits wait "$(devices /tmp/small)"
tiny ends end
tiny passes wait
for name in waits ends; do check "define-$name" vane define /tmp/$name.json; done
echo "{\"name\": \"steady\", \"memory_kib\": 163840, \"kernel\": \"/guest/vmlinuz\", \"initrd\": \"/guest/initrd-io\",
    \"cmdline\": \"console=hvc0 quiet pv.net=10.0.0.2\", $(devices /tmp/disk)}" > /tmp/steady.json
check create-steady vane create /tmp/steady.json
check steady-is-up wait_for 120 logs steady 'guest ready'
for name in waits ends; do check "start-$name" vane start $name; done
check waits-is-up wait_for 20 logs waits TINY-UP
check ends-by-itself wait_for 20 is ends off
vane destroy waits
sleep 1
state > /tmp/before
before=$(vane-build free)

began=$(uptime_seconds)
work &
worker=$!
awk -v seed="$SEED" -v n="$KILLS" 'BEGIN { srand(seed); while (n--) printf "%d %.3f\n", int(rand() * 5), rand() * 0.7 }' > /tmp/moments
kills=0 took=0
while read -r whom moment; do
    sleep "$moment"
    case $whom in
    [01]) kill -9 "$(pidof vaned)" ;;
    [23]) kill -9 "$(pidof vane-stored)" ;;
    *) kill -9 "$(pidof vaned)" "$(pidof vane-stored)" ;;
    esac && kills=$((kills + 1))
    from=$(now_ms)
    wait_for 30 answering || break
    took=$((took + $(now_ms) - from))
done < /tmp/moments
: > /tmp/stop
wait $worker
expect kills "$KILLS" "$kills"
echo "kills: $(cat /tmp/rounds) rounds in $(($(uptime_seconds) - began)) s; both daemons answered $((took / (kills + 1))) ms after a kill"
check rounds test "$(cat /tmp/rounds)" -gt 0
grep -v '^$' /tmp/work.log | cut -c 1-140 | sort | uniq -c | sort -rn | head -n 20

check answering wait_for 30 answering
for name in waits ends passes; do vane destroy $name > /dev/null 2>&1; done
check as-before wait_for 20 as_before
diff /tmp/before /tmp/after
check memory-comes-back frees "$before"
expect steady-booted-once 1 "$(vane log steady | grep -c 'guest ready')"
devices_work
check steady-hears-the-store vane shutdown steady
check steady-is-gone wait_for 60 sh -c '! vane show steady'
: > /tmp/over
sort /tmp/vaned.log | uniq -c | sort -rn | head -n 20
sort /tmp/vane-stored.log | cut -d ' ' -f 2- | uniq -c | sort -rn | head -n 20
expect dmesg-clean '' "$(complaints)"
