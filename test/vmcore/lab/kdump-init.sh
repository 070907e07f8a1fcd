#!/bin/sh
# First process of the kernel that takes over after a crash: brings the memory of the dead one to the disk.
mount -t proc proc /proc
mount -t devtmpfs dev /dev
printf '\ntruth: vmcore %s\n' "$(stat -c %s /proc/vmcore)" >/dev/ttyS0
until [ -b /dev/nvme0n1 ]; do sleep 0.1; done
dd if=/proc/vmcore of=/dev/nvme0n1 bs=1M
sync
poweroff -f
