#!/bin/sh
# First process of a guest that is to crash. Sets the scene, says on the serial port what is true of it (the kernel's
# log holds none of that), then commits the crime that was packed as /crime.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
hostname warehouse

say() {
	printf '\ntruth: %s\n' "$*" >/dev/ttyS0
}

# named NAME COMMAND…: a shell of that name in the background, which runs the command without being replaced by it
named() {
	name=$1
	shift
	(
		printf '%s' "$name" >/proc/self/comm
		"$@"
		:
	) &
}

# on CPU COMMAND…: this shell moves there first
on() {
	read -r self rest </proc/self/stat
	taskset -p "$(printf %x $((1 << $1)))" "$self" >/dev/null
	shift
	"$@"
}

crime() {
	echo "$*" >/proc/culprit
}

sysrq() {
	echo "$1" >/proc/sysrq-trigger
}

# Where every task sleeps, as the kernel itself unwinds it, and how often it had been switched away from before.
stacks() {
	for task in /proc/[0-9]*/task/[0-9]*; do
		switches=0 frames=
		while read -r name value; do
			case $name in *ctxt_switches:) switches=$((switches + value)) ;; esac
		done <"$task/status"
		while read -r _ frame; do frames="$frames $frame"; done <"$task/stack"
		say "stack pid=${task##*/} switches=$switches$frames end"
	done
}

# set_cgroup DIRECTORY FILE VALUE
set_cgroup() {
	echo "$3" >"/sys/fs/cgroup/$1/$2"
	say "cgroup $1 $2 $(cat "/sys/fs/cgroup/$1/$2")"
}

while read -r module; do insmod "/modules/$module.ko"; done </modules/order

echo '+cpu +cpuset +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/shop /sys/fs/cgroup/yard
echo '+cpu +cpuset +memory +pids' >/sys/fs/cgroup/shop/cgroup.subtree_control
mkdir /sys/fs/cgroup/shop/till /sys/fs/cgroup/shop/store
set_cgroup shop cpu.weight 200
set_cgroup shop memory.max 201326592
set_cgroup shop/till cpu.weight 50
set_cgroup shop/till cpu.max '20000 100000'
set_cgroup shop/till cpuset.cpus 1
set_cgroup shop/till pids.max 17
set_cgroup shop/store memory.high 67108864
set_cgroup yard cpuset.cpus 0-1
set_cgroup yard cpuset.mems 0

# Sleepers of several kinds, some in groups.
mkfifo /tmp/gate
for member in shop/till shop/store shop/store yard; do
	named "guard-${member##*/}" sleep 100000
	echo $! >"/sys/fs/cgroup/$member/cgroup.procs"
	say "member $member pid=$!"
done
named reader cat /tmp/gate
sleep 100000 | cat >/dev/null &

say "release $(uname -r)"
say "text $(sed -n 's/ T _text$//p' /proc/kallsyms)"
say "command_line $(cat /proc/cmdline)"
sed 's/^/truth: module /' /proc/modules >/dev/ttyS0
sed 's/^/truth: mount /' /proc/mounts >/dev/ttyS0
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
	say "cpu ${cpu##*cpu} package=$(cat "$cpu/topology/physical_package_id") core=$(cat "$cpu/topology/core_id")"
done
if [ -d /kdump ]; then
	kexec -s -p /kdump/vmlinuz --initrd=/kdump/initramfs --append='console=ttyS0 rdinit=/init quiet nr_cpus=1 irqpoll reset_devices no_timer_check' || say 'no kdump'
	rm -r /kdump
fi
crime call sweep
. /crime
wait
