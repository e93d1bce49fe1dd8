#!/bin/busybox sh
# First process of the virtual machine. The host's files are below everything, read only; what is written stays in memory.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "/modules/$module" || echo "vm-test: module $module is not loaded"
done < /modules/order
mkdir -p /host /writable /system
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose host /host || poweroff -f
mount -t tmpfs tmpfs /writable
mkdir /writable/files /writable/work
mount -t overlay -o lowerdir=/host,upperdir=/writable/files,workdir=/writable/work overlay /system || poweroff -f
mount -t proc proc /system/proc
mount -t sysfs sys /system/sys
mount -t devtmpfs dev /system/dev
mkdir -p /system/dev/shm /system/dev/pts /system/tmp /system/run /system/sys/fs/bpf
mount -t tmpfs tmpfs /system/dev/shm
mount -t devpts devpts /system/dev/pts
mount -t tmpfs tmpfs /system/run
mount -t bpf bpf /system/sys/fs/bpf
mount -t cgroup2 cgroup2 /system/sys/fs/cgroup
ip link set lo up
trial=$(sed -n 's/.*vm_trial=\([^ ]*\).*/\1/p' /proc/cmdline)
# A workspace below /tmp stays visible.
case "$trial" in
/tmp/*) ;;
*) mount -t tmpfs tmpfs /system/tmp ;;
esac
chroot /system /bin/sh "$trial"
poweroff -f
