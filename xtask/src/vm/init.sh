#!/bin/busybox sh
# The first process of a guest: mounts what the agent and the lab expect, then goes on with /vm/run. /vm/layout says which
# cgroup hierarchies are wanted.

/bin/busybox --install -s /bin
export PATH=/vm/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
hostname guest
ip link set lo up

while read -r module; do
    insmod "/vm/modules/$module"
done </vm/modules/order
mount -t fusectl fusectl /sys/fs/fuse/connections

if [ "$(cat /vm/layout)" = systemd ]; then
    exec /lib/systemd/systemd # mounts v2, and has a unit that goes on
fi
if [ "$(cat /vm/layout)" = v2-only ]; then
    v2=/sys/fs/cgroup
    mount -t cgroup2 cgroup2 $v2
else
    v2=/sys/fs/cgroup/unified
    mount -t tmpfs tmpfs /sys/fs/cgroup
    for controllers in freezer cpu,cpuacct cpuset memory blkio pids devices net_cls,net_prio perf_event hugetlb; do
        mkdir "/sys/fs/cgroup/$controllers"
        # A kernel may have a controller for v2 only, or not at all.
        mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers" 2>/dev/null ||
            rmdir "/sys/fs/cgroup/$controllers"
    done
    ln -s cpu,cpuacct /sys/fs/cgroup/cpu
    mkdir $v2
    mount -t cgroup2 cgroup2 $v2
fi
for controller in $(cat $v2/cgroup.controllers); do
    echo "+$controller" >$v2/cgroup.subtree_control
done

. /vm/run
