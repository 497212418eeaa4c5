# SPDX-License-Identifier: MIT
# Run in dom0 by bash: what a toolstack's steps take, and what system calls cost in a guest. tests/bench/guests reads the
# lines "@@ VALUE"; of several of one name the least counts.

. /test/xl-lib.sh
start_tools
log() { echo "$LOGS/guest-$1.log"; }
TIMES=5

# The kernel's first line, which is printed as soon as there is a console if it is asked to.
EXTRA=ignore_loglevel define first 128 1
define paused 128 1
for ((i = 0; i < TIMES; i++)); do
    /test/stopwatch -f "$(log first)" -w 'Linux version' create_to_kernel xl create -q /tmp/first.cfg
    /test/stopwatch destroy xl destroy first
    /test/stopwatch create_paused xl create -q -p /tmp/paused.cfg
    /test/stopwatch list xl list
    xl destroy paused
done
define one 128 1
/test/stopwatch -f "$(log one)" -w 'guest ready' create_to_user xl create -q /tmp/one.cfg
/test/stopwatch save xl save one /tmp/saved
/test/stopwatch restore xl restore /tmp/saved
rm /tmp/saved
ask one '/bin/osbench && echo "all"-measured'
wait_for 300 said one '^all-measured'
grep -a '^@@ VALUE' "$(log one)"
xl destroy one
