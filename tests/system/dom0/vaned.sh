# SPDX-License-Identifier: MIT
# Run in dom0: vaned and vane with our store, and no tool of Debian's. A stock kernel starts from XML, from JSON and from an
# xl.cfg; every command that works on a guest; what follows its end; kill -9 of vaned while it runs.

. /test/vane-lib.sh
OPTIONS='console=hvc0 quiet'

is() { vane show "$1" | grep -q "^state *$2\$"; }
domid() { vane show "$1" | sed -n 's/^id *//p'; }
# status NUMBER NAME COMMAND...: vane's exit status
status() {
    local want=$1 name=$2
    shift 2
    vane "$@" > /tmp/vane.out 2>&1
    expect "$name" "$want" $?
}

tools_setup
toolstack_up
check doctor vane doctor
vane info

cat > /tmp/one.xml << END
<domain type='xen'>
  <name>one</name>
  <memory unit='MiB'>160</memory>
  <vcpu current='1'>2</vcpu>
  <os><type>xen</type><kernel>/guest/vmlinuz</kernel><initrd>/guest/initrd</initrd><cmdline>$OPTIONS</cmdline></os>
</domain>
END
echo "{\"name\": \"two\", \"memory_kib\": 131072, \"kernel\": \"/guest/vmlinuz\", \"initrd\": \"/guest/initrd\",
 \"cmdline\": \"$OPTIONS\", \"on_crash\": \"preserve\"}" > /tmp/two.json
printf 'name = "three"\nmemory = 128\nkernel = "/guest/vmlinuz"\nramdisk = "/guest/initrd"\nextra = "%s"\n' "$OPTIONS" > /tmp/three.cfg

check define-xml vane define /tmp/one.xml
check define-json vane define /tmp/two.json
check define-xl vane define /tmp/three.cfg
# The first one of its kernel takes seconds, in which others are answered.
vane start one & starter=$!
check answers-while-it-builds wait_for 20 is one starting
wait "$starter"
expect first-start 0 $?
check one-line wait_for 120 logs one GUEST-UP
vane destroy one
wait_for 20 is one off
sleep 1
before=$(vane-build free)
value free-pages "$before"

for name in one two; do check "start-$name" vane start $name; done
check line-one wait_for 120 logs one GUEST-UP 2
check line-two wait_for 120 logs two GUEST-UP
vane list
expect both-run 2 "$(vane list | grep -c running)"
check console sh -c "(echo hello; sleep 2; printf '\\035') | vane console one | grep -q 'GUEST-SAYS hello'"
check vcpus vane vcpus one
check pause vane pause one
check is-paused is one paused
check resume vane resume one
check sched vane sched one 512 50
check pin vane pin one 0 0
check set-vcpus vane set-vcpus one 2
check rename vane rename two zwei
expect renamed-in-store zwei "$(vane store read "/local/domain/$(domid zwei)/name")"
check top vane top
check dmesg vane dmesg
check metrics sh -c 'vane metrics | grep -q "paravane_domain_up{domain=\"one\".* 1"'
check store-metrics sh -c 'vane metrics | grep -q "^paravane_store_nodes [1-9]"'
check metrics-json sh -c 'vane -o json metrics | grep -q "\"name\": \"paravane_vcpu_cpu_seconds_total\""'
check dmesg-json sh -c 'vane -o json dmesg | grep -q "\"text\": \""'
status 6 start-again start one
status 4 nobody start nobody

id=$(domid one)
kill -9 "$vaned_pid"
wait "$vaned_pid" 2> /dev/null
start_vaned
check vaned-comes-back vane list
expect guest-is-found "$id" "$(domid one)"
check still-running is one running

check reboot vane reboot one
check second-boot wait_for 120 logs one GUEST-UP 3
check runs-again wait_for 20 is one running
check shutdown vane shutdown one
check powers-off wait_for 60 is one off
(echo crash; sleep 1; printf '\035') | vane console zwei > /dev/null
check crashed-is-kept wait_for 60 is zwei kept
check destroy vane destroy zwei
check undefine vane undefine three
check create vane create /tmp/three.cfg
check line-three wait_for 120 logs three GUEST-UP
check destroy-three vane destroy three
expect nothing-runs 0 "$(vane list | grep -c running)"
check memory-comes-back frees "$before"
tail -n 40 /tmp/vaned.log
expect dmesg-clean '' "$(complaints)"
