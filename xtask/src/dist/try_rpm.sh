# Tries the .rpm in the system that try_begin.sh made. The system has no database of RPM, so dependencies are listed and not
# resolved.
packages() {
    echo "+ rpm $*"
    rpm --root "$root" --dbpath /var/lib/rpm --nodeps "$@"
}

rpm --root "$root" --dbpath /var/lib/rpm --initdb
rpm --checksig --nosignature "$newer"
rpm --query --package --requires "$newer" | grep -q '^libc.so.6(GLIBC_' || fail 'it does not say which C library it needs'

packages --install "$older"
expect /usr/bin/smb-sensor 'root:root 755'
expect /etc/smb-sensor 'root:smb-sensor 750'
expect /var/lib/smb-sensor 'smb-sensor:smb-sensor 700'
expect /etc/logrotate.d/smb-sensor 'root:root 644'
expect /usr/share/man/man8/smb-sensor.8 'root:root 644'
expect_completions
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
