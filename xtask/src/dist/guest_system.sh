# Makes the system of the virtual machine. Arguments: the folder with a clean system, a new folder, a new file for the image.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
rm -rf "$2"
cp -a "$1" "$2"
cp /etc/resolv.conf "$2/etc/resolv.conf"
mount -t proc proc "$2/proc"
# No service starts while packages are installed.
printf '#!/bin/sh\nexit 101\n' > "$2/usr/sbin/policy-rc.d"
chmod 0755 "$2/usr/sbin/policy-rc.d"
chroot "$2" apt-get update -q
chroot "$2" apt-get install -q -y --no-install-recommends \
    initramfs-tools iproute2 linux-image-cloud-amd64 procps samba smbclient udev zstd
chroot "$2" apt-get clean
rm "$2/usr/sbin/policy-rc.d"
# The Samba of the distribution is not to run: the trial starts its own.
chroot "$2" systemctl disable smbd nmbd samba-ad-dc
umount "$2/proc"
# Nobody answers questions for names there, and nothing waits for answers.
: > "$2/etc/resolv.conf"
mke2fs -q -t ext4 -d "$2" "$3" 3G
