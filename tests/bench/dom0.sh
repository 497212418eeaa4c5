# SPDX-License-Identifier: MIT
# Run in dom0 by bash: what a toolstack's steps take, and what system calls cost in a guest. tests/bench/guests reads the
# lines "@@ VALUE".

. /test/xl-lib.sh
start_tools
log() { echo "$LOGS/guest-$1.log"; }

# The kernel's first line, which is printed as soon as there is a console if it is asked to.
EXTRA=ignore_loglevel define first 128 1
/test/stopwatch -f "$(log first)" -w 'Linux version' create_to_kernel xl create -q /tmp/first.cfg
xl destroy first
define one 128 1
/test/stopwatch -f "$(log one)" -w 'guest ready' create_to_user xl create -q /tmp/one.cfg
/test/stopwatch save xl save one /tmp/saved
/test/stopwatch restore xl restore /tmp/saved
rm /tmp/saved
ask one '/bin/osbench && echo "all"-measured'
wait_for 300 said one '^all-measured'
grep -a '^@@ VALUE' "$(log one)"
/test/stopwatch destroy xl destroy one
define paused 128 1
/test/stopwatch create_paused xl create -q -p /tmp/paused.cfg
/test/stopwatch list xl list
