# Arguments: the folder with a clean system, the older package, the newer package. The system has no database of RPM, so
# dependencies are listed and not resolved.
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

expect() {
    found=$(chroot "$root" stat --format '%U:%G %a' "$1") || fail "there is no $1"
    [ "$found" = "$2" ] || fail "$1 is $found, and should be $2"
}

packages() {
    echo "+ rpm $*"
    rpm --root "$root" --dbpath /var/lib/rpm --nodeps "$@"
}

root=$(mktemp -d)
mount -t tmpfs -o mode=0755 clean "$root"
cp -a "$1/." "$root"
mount -t proc proc "$root/proc"
rpm --root "$root" --dbpath /var/lib/rpm --initdb
older=$2
newer=$3
rpm --checksig --nosignature "$newer"
rpm --query --package --requires "$newer" | grep -q '^libc.so.6(GLIBC_' || fail 'it does not say which C library it needs'

packages --install "$older"
expect /usr/bin/smb-sensor 'root:root 755'
expect /etc/smb-sensor 'root:smb-sensor 750'
expect /var/lib/smb-sensor 'smb-sensor:smb-sensor 700'
expect /etc/logrotate.d/smb-sensor 'root:root 644'
expect /usr/share/man/man8/smb-sensor.8 'root:root 644'
packages --verify smb-sensor
chroot "$root" systemctl is-enabled smb-sensor && fail 'the service is enabled without a configuration'
chroot "$root" smb-sensor init --iface lo --internal 198.51.100.0/24
chroot "$root" systemctl enable smb-sensor
echo '# mine' >> "$root/etc/logrotate.d/smb-sensor"

packages --upgrade "$newer"
[ "$(rpm --root "$root" --dbpath /var/lib/rpm --query --queryformat '%{version}' smb-sensor)" != 0.0.1 ] || fail 'it is not upgraded'
grep -q '^# mine' "$root/etc/logrotate.d/smb-sensor" || fail 'a change of the administrator is lost'
chroot "$root" systemctl is-enabled smb-sensor

packages --erase smb-sensor
[ ! -e "$root/usr/bin/smb-sensor" ] || fail 'the program is left'
[ ! -L "$root/etc/systemd/system/multi-user.target.wants/smb-sensor.service" ] || fail 'the service is still enabled'
[ -e "$root/etc/smb-sensor/smb-sensor.toml" ] || fail 'the configuration is gone'
[ -d "$root/var/lib/smb-sensor" ] || fail 'the state is gone'
echo 'the .rpm is as it should be'
