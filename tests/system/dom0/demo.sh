# SPDX-License-Identifier: MIT
# Run in dom0 by ./demo: says what it runs on, and reports whether that is what it should be. Then two guests go through
# their lives by vane. With pv.demo=shell a shell comes last.

. /test/vane-lib.sh

# What is shown as it would be typed.
show() {
    echo "# $*"
    "$@"
}
are_off() { ! vane list | grep -q running; }

start_toolstack() {
    tools_setup
    start_store
    wait_for 20 test -S /run/xenstored/socket
    start_vaned
}

two_guests() {
    for name in one two; do
        echo "{\"name\": \"$name\", \"memory_kib\": 131072, \"kernel\": \"/guest/vmlinuz\", \"initrd\": \"/guest/initrd\"," \
            "\"cmdline\": \"console=hvc0\"}" > /tmp/$name.json
        show vane define /tmp/$name.json
        show vane start $name || fail start-$name "$(tail -n 1 /tmp/vaned.log)"
    done
    show vane list
    for name in one two; do
        check says-$name wait_for 120 logs $name GUEST-UP
        echo "# vane log $name"
        vane log $name | sed -n '1,2p;$p'
    done
    for name in one two; do show vane shutdown $name; done
    check shut-down wait_for 60 are_off
    show vane list
}

echo "/sys/hypervisor/type:    $(cat /sys/hypervisor/type 2>&1)"
echo "/sys/hypervisor/version: $(cat /sys/hypervisor/version/major 2>&1).$(cat /sys/hypervisor/version/minor 2>&1)"
echo "kernel:                  $(uname -sr)"
echo "CPUs:                    $(nproc)"
echo "memory:                  $(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB"
expect hypervisor-type xen "$(cat /sys/hypervisor/type 2>&1)"
expect cpus "$(cmdline pv.cpus)" "$(nproc)"
if start_toolstack > /dev/null; then two_guests; else fail toolstack "$(tail -n 1 /tmp/vaned.log)"; fi
[ "$(cmdline pv.demo)" != shell ] || { echo "dom0: a shell for you; Ctrl-D ends the machine" && setsid cttyhack sh -l; }
