# SPDX-License-Identifier: MIT
# For scripts that run Debian's tools in dom0: starts the daemons, runs steps whose status and output the host
# compares between two hypervisors. Sourced by bash.

export PATH=/bin:/usr/bin:/usr/lib/xen-4.17/bin LD_LIBRARY_PATH=/lib/tools
. /test/lib.sh
LOGS=/var/log/xen

start_consoles() { xenconsoled --pid-file=/run/xenconsoled.pid --log=all --log-dir=$LOGS; }

# With STORE=ours on our store. The hotplug scripts' locks and xenconsole's need what udev and systemd make elsewhere.
start_tools() {
    local name
    ln -s /proc/self/fd /dev/fd
    for name in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${name%:*}" "/dev/${name#*:}"; done
    modprobe -a xenfs xen_privcmd xen_evtchn xen_gntdev xen_gntalloc xen_blkback xen_netback bridge loop
    mkdir -p /var/lock /proc/xen && mount -t xenfs xenfs /proc/xen
    case $STORE in
    ours) vane-stored 2> /tmp/store.log & ;;
    *) xenstored --pid-file /run/xenstored.pid ;;
    esac
    until [ -S /run/xenstored/socket ]; do sleep 0.1; done
    xen-init-dom0
    start_consoles
    ifconfig lo 127.0.0.1 up
    brctl addbr br0 && ip addr add 10.0.0.1/24 dev br0 && ip link set br0 up
}

# step NAME COMMAND...: its exit status is compared, and so is what it prints.
step() {
    local name=$1 out status
    shift
    out=$("$@" 2>&1)
    status=$?
    printf '@@ STEP %s status %s\n' "$name" "$status"
    [ -z "$out" ] || printf '%s\n' "$out" | sed "s,^,@@ OUT $name ,"
}

# figure NAME NUMBER UNIT: shown beside the other hypervisor's; the less the better
figure() { printf '@@ FIGURE %s %s %s\n' "$1" "$2" "$3"; }

# quiet COMMAND...: only its status counts; what it said helps whoever reads the log.
quiet() {
    local status
    "$@" > /tmp/quiet 2>&1
    status=$?
    sed 's,^,   | ,' /tmp/quiet >&3
    return $status
}
exec 3>&1

said() { grep -aq "$2" "$LOGS/guest-$1.log"; }
guest_ready() { wait_for "${2:-180}" said "$1" 'guest ready'; }
# ask NAME WORDS: a line typed on its console, whose answer shows up in its log
ask() { printf '%s\n' "$2" > "$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")"; }
is_gone() { ! xl domid "$1"; }
# columns NUMBERS: of the table that comes in, without its head
columns() { awk -v list="$1" 'NR > 1 { n = split(list, c, ","); for (i = 1; i <= n; i++) printf "%s ", $c[i]; print "" }'; }

# define NAME MIB VCPUS [LINE...]: a configuration file, /tmp/NAME.cfg
define() {
    local name=$1 mib=$2 vcpus=$3
    shift 3
    {
        printf 'name="%s"\nmemory=%s\nvcpus=%s\nkernel="%s"\nramdisk="%s"\n' "$name" "$mib" "$vcpus" \
            "/guest/vmlinuz-${SERIES:-6.1}" "/guest/initrd-${SERIES:-6.1}"
        printf 'extra="console=hvc0 quiet %s"\ntsc_mode="native"\non_crash="destroy"\n' "${EXTRA:-}"
        printf '%s\n' "$@"
    } > "/tmp/$name.cfg"
}
