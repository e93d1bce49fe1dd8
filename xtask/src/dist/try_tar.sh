# Tries the tarball in the system that try_begin.sh made: unpacked, and then set up as docs/installation.md says.
name=$(basename "$newer" .tar.gz)
version=${name#smb-sensor-}
version=${version%-*}

mkdir "$root/unpacked"
tar --extract --file "$newer" --directory "$root/unpacked"
[ "$(ls "$root/unpacked")" = "$name" ] || fail "it holds more than one folder $name: $(ls "$root/unpacked")"
said=$(chroot "$root" "/unpacked/$name/usr/bin/smb-sensor" --version) || fail 'the agent does not run from where it is unpacked'
[ "$said" = "smb-sensor $version" ] || fail "the agent of $name says: $said"

cp -a "$root/unpacked/$name/usr" "$root/unpacked/$name/etc" "$root/"
chroot "$root" systemd-sysusers
chroot "$root" systemd-tmpfiles --create smb-sensor.conf
expect /usr/bin/smb-sensor 'root:root 755'
expect /etc/smb-sensor 'root:smb-sensor 750'
expect /var/lib/smb-sensor 'smb-sensor:smb-sensor 700'
expect /var/log/smb-sensor 'smb-sensor:smb-sensor 750'
expect_completions
chroot "$root" smb-sensor init --iface lo --internal 198.51.100.0/24
chroot "$root" systemctl enable smb-sensor
chroot "$root" systemd-analyze verify /usr/lib/systemd/system/smb-sensor.service
echo 'the tarball is as it should be'
