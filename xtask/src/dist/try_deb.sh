# Tries the .deb in the system that try_begin.sh made.
in_root() {
    echo "+ $*"
    DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# Every path with its owner and mode, and the target of links.
listing() {
    chroot "$root" find / -xdev \( -path /packages -o -path /run \) -prune -o -printf '%p %u:%g %m %l\n' | sort
}

mkdir "$root/packages"
cp "$older" "$root/packages/older.deb"
cp "$newer" "$root/packages/newer.deb"
listing > "$root/packages/before"

# Install.
in_root dpkg -i /packages/older.deb > "$root/packages/said"
cat "$root/packages/said"
grep -q 'smb-sensor init' "$root/packages/said" || fail 'the installation does not say what to do next'
in_root getent passwd smb-sensor
in_root smb-sensor --version
in_root dpkg --verify smb-sensor
expect /usr/bin/smb-sensor 'root:root 755'
expect /etc/smb-sensor 'root:smb-sensor 750'
expect /var/lib/smb-sensor 'smb-sensor:smb-sensor 700'
expect /var/log/smb-sensor 'smb-sensor:smb-sensor 750'
expect_completions
chroot "$root" dpkg --listfiles smb-sensor | while read -r path; do
    case $path in
        /usr/bin/smb-sensor) ;;
        *) [ -d "$root$path" ] || expect "$path" 'root:root 644' ;;
    esac
done
chroot "$root" systemctl is-enabled smb-sensor && fail 'the service is enabled without a configuration'

# Configure. The service runs as its own user.
in_root smb-sensor init --iface lo --internal 198.51.100.0/24
expect /etc/smb-sensor/smb-sensor.toml 'root:root 644'
in_root setpriv --reuid smb-sensor --regid smb-sensor --clear-groups cat /etc/smb-sensor/smb-sensor.toml > /dev/null
in_root systemctl enable smb-sensor
in_root systemd-analyze verify /usr/lib/systemd/system/smb-sensor.service
echo '# mine' >> "$root/etc/logrotate.d/smb-sensor"
in_root install -o smb-sensor -g smb-sensor /dev/null /var/lib/smb-sensor/smb-sensor.db

# Upgrade.
in_root dpkg -i /packages/newer.deb
in_root dpkg-query --show smb-sensor
[ "$(chroot "$root" dpkg-query --show --showformat '${Version}' smb-sensor)" != 0.0.1 ] || fail 'it is not upgraded'
grep -q '^# mine' "$root/etc/logrotate.d/smb-sensor" || fail 'a change of the administrator is lost'
in_root grep -q 198.51.100.0/24 /etc/smb-sensor/smb-sensor.toml
in_root systemctl is-enabled smb-sensor
expect /var/lib/smb-sensor/smb-sensor.db 'smb-sensor:smb-sensor 755'

# Remove: what is the administrator's stays.
in_root dpkg --remove smb-sensor
for path in /usr/bin/smb-sensor /usr/lib/systemd/system/smb-sensor.service \
    /etc/systemd/system/multi-user.target.wants/smb-sensor.service; do
    [ ! -e "$root$path" ] && [ ! -L "$root$path" ] || fail "$path is left"
done
for path in /etc/smb-sensor/smb-sensor.toml /etc/logrotate.d/smb-sensor /var/lib/smb-sensor/smb-sensor.db; do
    [ -e "$root$path" ] || fail "$path is gone"
done

# Purge: nothing is left but the user, with copies of the files that name users.
in_root dpkg --purge smb-sensor
listing > "$root/packages/after"
diff "$root/packages/before" "$root/packages/after" | grep '^[<>]' | grep -Ev ' /etc/(passwd|group|shadow|gshadow)-? ' \
    > "$root/packages/left" || true
cat "$root/packages/left"
[ ! -s "$root/packages/left" ] || fail 'the system is not as it was before'
echo 'the .deb is as it should be'
