# SPDX-License-Identifier: MIT
# Run in dom0 by bash: how long it takes from `vane start` to the first answer of the HTTP guest, beside `xl create` of the same
# kernel with Linux' back ends, and beside `vane start` with these.

. /test/xl-lib.sh
STORE=ours
start_tools
modprobe tun
mkdir -p /dev/net /run/vane
[ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
vaned > /dev/null 2> /tmp/vaned.log &
check vaned wait_for 30 vane list
ROUNDS=3

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
gone() { [ "$(xl list | wc -l)" = 2 ]; }
# answered COMMAND...: prints the microseconds until the guest that it starts has answered. An address that is known already would
# be asked before anybody has it, and again only a second later.
answered() {
    ip neigh flush dev br0
    rm -f /tmp/page
    /bin/stopwatch took bash -c '"$@" && until wget -q -O /tmp/page http://10.0.0.9/; do :; done' answered "$@" > /tmp/took 2> /tmp/said ||
        { echo "$*: $(cat /tmp/said)" >&2; return 1; }
    cmp -s /tmp/page /tmp/site/index.html && sed -n 's/@@ VALUE took //p' /tmp/took
}
# a_guest NAME FIELD: a definition, with that field for the disk and the NIC
a_guest() {
    echo "{\"name\": \"$1\", \"memory_kib\": 16384, \"kernel\": \"/guest/http\", \"cmdline\": \"ip=10.0.0.9/24\",
 \"disks\": [{\"type\": \"file\", \"target\": \"xvda\", \"file\": \"/tmp/site.tar\", \"readonly\": true$2}],
 \"nics\": [{\"type\": \"bridge\", \"bridge\": \"br0\"$2}]}" > "/tmp/$1.json"
    quiet vane define "/tmp/$1.json"
}

mkdir -p /tmp/site
echo '<p>hello' > /tmp/site/index.html
tar -C /tmp/site -cf /tmp/site.tar .
cat > /tmp/web.cfg << END
name="web"
memory=16
kernel="/guest/http"
extra="ip=10.0.0.9/24"
tsc_mode="native"
disk=['/tmp/site.tar,raw,xvda,r']
vif=['bridge=br0']
END
check define a_guest ours ''
check define-kernel a_guest kernel ', "driver": "kernel"'

# By turns, since a machine may get slower; the first of each is not counted.
for ((i = 0; i <= ROUNDS; i++)); do
    answered xl create -q /tmp/web.cfg >> /tmp/xl
    xl destroy web
    wait_for 20 gone
    for name in ours kernel; do
        answered vane start $name >> /tmp/$name
        quiet vane destroy $name
        wait_for 20 gone
    done
done
xl=$(tail -n +2 /tmp/xl | median) ours=$(tail -n +2 /tmp/ours | median) kernel=$(tail -n +2 /tmp/kernel | median)
figure http-xl-create "$xl" us
figure http-vane-start "$ours" us
figure http-vane-start-kernels-back-ends "$kernel" us
figure http-vane-of-xl $((ours * 1000 / xl)) per-mille
check all-answered test "$(cat /tmp/xl /tmp/ours /tmp/kernel | wc -l)" = $((3 * ROUNDS + 3))
vane log ours | tail -n 1
