# SPDX-License-Identifier: MIT
# The cases of the system tests, as tables; run reads them.
# shellcheck shell=bash disable=SC2034

# Boots of dom0. KERNEL 6.1, 6.12, or a function of setup.sh that makes one; SCRIPTS run in dom0, from
# dom0/; END is how the machine must end; MORE are functions of setup.sh that add to the machine.
# The rows boot-* cover every pair of values of kernel, model, CPUs and memory.
#
# name             kernel      model  cpus MiB   scripts            end      more
BOOT_CASES='
boot-1-1g          6.1         qemu64 1    1024  boot               poweroff -
boot-1-4g          6.12        max    1    4096  boot               poweroff -
boot-1-16g         6.1         max    1    16384 boot               poweroff -
boot-2-1g          6.12        max    2    1024  boot,hotplug       reset    reboot
boot-2-4g          6.1         qemu64 2    4096  boot,hotplug       poweroff dom0_mem
boot-2-16g         6.12        qemu64 2    16384 boot               poweroff -
boot-4-1g          6.12        qemu64 4    1024  boot               poweroff -
boot-4-4g          6.1         max    4    4096  boot,hotplug       poweroff max_vcpus
boot-4-16g         6.12        max    4    16384 boot               poweroff gzip_initramfs
kernel-elf         plain_elf   qemu64 1    1024  boot               poweroff -
kernel-gzip        gzip_payload qemu64 1   1024  boot               poweroff -
kernel-lz4         lz4_payload qemu64 1    1024  boot               poweroff -
grub               6.1         qemu64 2    1024  boot               poweroff grub
dev-virtio         6.1         qemu64 2    1024  boot,disk,net,msix poweroff virtio_disk,virtio_net
dev-intx           6.12        qemu64 1    1024  boot,disk,net,intx poweroff virtio_disk_intx,virtio_net_intx
dev-ahci           6.12        max    2    1024  boot,disk,net,intx poweroff ahci_disk,e1000_net
store              6.1         qemu64 1    1024  store              poweroff store
stress             6.1         qemu64 2    2048  boot,stress        poweroff stress_ng
selftests          6.1         qemu64 2    1024  selftests          poweroff selftests_bar
selftests-max      6.12        max    1    1024  selftests          poweroff selftests_bar
selftests-aim      6.1         qemu64 1    1024  selftests          poweroff selftests_aim,complaints
guests             6.1         qemu64 1    1536  guests             poweroff xen_tools
guests-smp         6.12        qemu64 2    1536  guests             poweroff xen_tools
vane-guests        6.1         qemu64 1    1536  vane               poweroff xen_tools,vane
vane-smp           6.12        qemu64 2    1536  vane               poweroff xen_tools,vane
vaned              6.1         qemu64 1    1536  vaned              poweroff guest,vaned,guest_lz4
vaned-io           6.1         qemu64 1    1536  vaned-io           poweroff guest,vaned,guest_io,vane_blk,vane_net
vaned-plug         6.1         qemu64 1    1536  vaned-plug         poweroff guest,vaned,guest_io,vane_blk,vane_net,qcow2
vaned-kills        6.1         qemu64 1    1536  vaned-kills        poweroff guest,vaned,guest_io,vane_blk,vane_net,tiny,kills
vane-io            6.1         qemu64 1    1536  vane-io            poweroff xen_tools,vane,guest_io
unikernel-bench    6.1         qemu64 1    1536  unikernel-bench    poweroff guest,vaned,vane_blk,bench_guest
unikernel-http     6.1         qemu64 1    1536  unikernel-http     poweroff guest,vaned,vane_blk,vane_net,http_guest
io-kills           6.1         qemu64 2    2048  io-kills           poweroff guest,vaned,vane_blk,vane_net,fio,kills
io-share           6.1         qemu64 2    1536  io-share           poweroff guest,vaned,vane_blk,bench_guest,hostile_guest,icount
back-ends          6.1         qemu64 2    1536  back-ends          poweroff guest,vaned,vane_blk,vane_net,netload,bench_guest,null_disk,icount
vane-blk           6.12        qemu64 2    1536  vane-blk           poweroff xen_tools,vane,guest_io,vane_blk
vane-net           6.12        qemu64 2    1536  vane-net           poweroff xen_tools,vane,guest_io,vane_net
crash              6.1         qemu64 1    1024  crash              reset    crash,complaints
'

# What FULL=1 adds: all combinations.
full_matrix() {
    local kernel model cpus mem
    for kernel in 6.1 6.12; do
        for model in qemu64 max; do
            for cpus in 1 2 4; do
                for mem in 1024 4096 16384; do
                    echo "boot-full-$kernel-$model-$cpus-$mem $kernel $model $cpus $mem boot poweroff -"
                done
            done
        done
    done
}

# Input that cannot work. KERNEL and INITRD: a series, - for none, or a function of setup.sh that makes
# a file; the machine is stopped when the console shows a line that matches REGEXP, and the case has
# failed if it never does.
#
# name                  kernel            initrd MiB  option  regexp
REFUSALS='
broken-truncated        truncated         6.1    1024 -       cannot start: .*(truncated|ends|short|beyond).*: .+
broken-stub             stub              6.1    1024 -       cannot start: .*(kernel|image).*: .+
broken-text             text              6.1    1024 -       cannot start: .*(kernel|image|format).*: .+
broken-no-xen           not_xen           6.1    1024 -       cannot start: .*(Xen|PV|note).*: .+
broken-xz               damaged_xz        6.1    1024 -       cannot start: .*(payload|decompress|damaged|xz).*: .+
broken-zstd             damaged_zstd      6.12   1024 -       cannot start: .*(payload|decompress|damaged|zstd).*: .+
broken-no-module        -                 -      1024 -       cannot start: .*(module|kernel).*: .+
broken-memory           6.1               6.1    64   -       cannot start: .*memory.*: .+
broken-dom0-mem         6.1               6.1    1024 dom0_mem=16M cannot start: .*memory.*: .+
option-unknown          6.1               6.1    1024 xyz=1   warning: unknown option .xyz
no-initramfs            6.1               -      1024 -       Unable to mount root fs
'
