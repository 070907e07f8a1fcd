#!/bin/sh
# First process of a guest: brings the job in from a disk, runs it, leaves its output on another, powers off.
# Both disks hold bare tar archives and are told apart by their serial number.
export PATH=/bin:/usr/bin:/job HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs out /out
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up

disk() {
	for d in /sys/block/nvme*n1; do
		[ "$(tr -d ' ' <"$d/device/serial")" = "$1" ] && echo "/dev/${d##*/}"
	done
}

# Modules with what they need, dependencies first.
load() {
	while read -r file; do
		insmod "/lib/modules/$(uname -r)/$file" || return 1
	done <"/lib/modules/$(uname -r)/$1.order"
}

until [ -n "$(disk job)" ] && [ -n "$(disk out)" ]; do sleep 0.1; done
# What the script says goes to the console as well: that is all there is of a guest that hangs.
: >/out/stderr
tail -f /out/stderr >/dev/console &
cd /job && tar xf "$(disk job)" && . ./modules && sh ./script >/out/stdout 2>>/out/stderr
echo $? >/out/status
dmesg >/out/dmesg
tar cf "$(disk out)" -C /out .
sync
poweroff -f
