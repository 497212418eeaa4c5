# SPDX-License-Identifier: MIT
# Run in dom0 by bash: how long `vane start` takes beside `xl create`, of the smallest guest and of one with Debian's kernel, and
# the last of many guests beside the first.

. /test/xl-lib.sh
STORE=ours
start_tools
GUESTS=$(cmdline pv.guests)
ROUNDS=7 FEW=10

mkdir -p /run/vane
vaned > /dev/null 2> /tmp/vaned.log &
check vaned wait_for 30 vane list

# took COMMAND...: prints its microseconds, without those of making a copy of this shell
took() {
    /bin/stopwatch took "$@" > /tmp/took 2> /tmp/said || { echo "$*: $(cat /tmp/said)" >&2; return 1; }
    sed -n 's/@@ VALUE took //p' /tmp/took
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
stop_consoles() { kill "$(cat /run/xenconsoled.pid)"; sleep 1; }
gone() { [ "$(xl list | wc -l)" = 2 ]; }

# tiny NAME, debian NAME: defined for vane
defined() { quiet vane define "/tmp/$1.json"; }
tiny() {
    echo "{\"name\": \"$1\", \"memory_kib\": 8192, \"kernel\": \"/guest/tiny\", \"cmdline\": \"wait\"}" > "/tmp/$1.json"
    defined "$1"
}

define debian 96 1
echo '{"name": "debian", "memory_kib": 98304, "kernel": "/guest/vmlinuz-6.1", "initrd": "/guest/initrd-6.1",
 "cmdline": "console=hvc0 quiet"}' > /tmp/debian.json
check define-debian defined debian
printf 'name="tiny"\nmemory=8\nvcpus=1\nkernel="/guest/tiny"\nextra="wait"\ntsc_mode="native"\n' > /tmp/tiny.cfg
check define-tiny tiny tiny

# compare NAME: by turns, since a machine may get slower; the first of each is not counted. Each has its own daemon for consoles,
# and only that.
compare() {
    local i
    for ((i = 0; i <= ROUNDS; i++)); do
        start_consoles
        sleep 1
        took xl create -q "/tmp/$1.cfg" >> "/tmp/xl-$1"
        xl destroy "$1"
        wait_for 20 gone
        stop_consoles
        took vane start "$1" >> "/tmp/vane-$1"
        quiet vane destroy "$1"
        wait_for 20 gone
    done
    local xl vane
    xl=$(tail -n +2 "/tmp/xl-$1" | median) vane=$(tail -n +2 "/tmp/vane-$1" | median)
    figure "$1-xl-create" "$xl" us
    figure "$1-vane-start" "$vane" us
    figure "$1-vane-of-xl" $((vane * 1000 / xl)) per-mille
    check "$1-all-ran" test "$(cat "/tmp/xl-$1" "/tmp/vane-$1" | wc -l)" = $((2 * ROUNDS + 2))
}
stop_consoles
compare tiny
compare debian

for ((i = 1; i <= GUESTS; i++)); do tiny "t$i" || break; done
for ((i = 1; i <= GUESTS; i++)); do took vane start "t$i" || break; done > /tmp/starts
check all-run test "$(xl list | wc -l)" = $((GUESTS + 2))
first=$(head -n $FEW /tmp/starts | median) last=$(tail -n $FEW /tmp/starts | median)
figure first-starts "$first" us
figure last-starts "$last" us
figure last-of-first $((last * 1000 / first)) per-mille
for ((i = 1; i <= GUESTS; i++)); do quiet vane destroy "t$i"; done
check all-gone wait_for 60 gone
