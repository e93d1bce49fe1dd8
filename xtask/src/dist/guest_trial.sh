#!/bin/sh
# Runs in the virtual machine at each boot. The machine has no network card: a client and a server are in namespaces, and the
# machine itself is the gateway between them. The last line on the console tells the result.
set -eu
exec > /dev/ttyS0 2>&1

fail() {
    trap - EXIT
    echo "FAILED: $*"
    systemctl status --no-pager --full smb-sensor || true
    journalctl --no-pager --unit smb-sensor | tail -n 30
    systemctl poweroff --force --force
    exit 1
}

trap '[ $? = 0 ] || fail "the last command"' EXIT

say() {
    echo "guest: $*"
}

# Waits for a command to succeed, for as long as a slow machine takes.
wait_for() {
    tries=0
    until "$@" > /root/last 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "in vain: $*: $(cat /root/last)"
        sleep 1
    done
}

network() {
    for end in lan wan; do
        ip netns add $end
        ip link add ${end}0 type veth peer name eth0 netns $end
        ip link set ${end}0 up
        ip -netns $end link set lo up
        ip -netns $end link set eth0 up
    done
    ip address add 10.0.0.1/24 dev lan0
    ip address add 8.8.4.1/24 dev wan0
    ip -netns lan address add 10.0.0.2/24 dev eth0
    ip -netns wan address add 8.8.4.4/24 dev eth0
    ip -netns lan route add default via 10.0.0.1
    ip -netns wan route add default via 8.8.4.1
    ip route add default via 8.8.4.4
    echo 1 > /proc/sys/net/ipv4/ip_forward
}

serve() {
    ip netns exec wan smbd --daemon --configfile /root/smb.conf
    wait_for ip netns exec wan smbclient --configfile /dev/null -N -L 8.8.4.4
}

session() {
    ip netns exec lan smbclient --configfile /dev/null -U 'alice%Secret123' //8.8.4.4/files -c ls > /root/session 2>&1 \
        || fail "no session: $(cat /root/session)"
}

incident() {
    smb-sensor alerts --evidence session --external 8.8.4.4 | grep -q critical
}

# The number of its connections is at least this.
connections() {
    number=$(smb-sensor alerts --evidence session | awk 'NR == 2 { print $(NF - 1) }')
    [ "${number:-0}" -ge "$1" ]
}

works() {
    systemctl is-active --quiet smb-sensor && smb-sensor status
}

pid() {
    systemctl show --property MainPID --value smb-sensor
}

is_other() {
    [ "$(pid)" != 0 ] && [ "$(pid)" != "$1" ]
}

network
if [ ! -e /root/rebooted ]; then
    say 'install, configure and start'
    dpkg -i /root/smb-sensor.deb || fail 'it cannot be installed'
    useradd alice
    mkdir -p /srv/files
    printf 'Secret123\nSecret123\n' | smbpasswd -c /root/smb.conf -s -a alice
    serve
    smb-sensor init --yes || fail 'no configuration'
    grep -q '^interfaces = \["lan0"\]' /etc/smb-sensor/smb-sensor.toml || fail "$(cat /etc/smb-sensor/smb-sensor.toml)"
    systemctl enable --now smb-sensor || fail 'it does not start'
    wait_for works
    smb-sensor check --config /etc/smb-sensor/smb-sensor.toml
    systemd-analyze --no-pager security smb-sensor | tail -n 1

    say 'a session is an incident'
    session
    wait_for incident
    smb-sensor alerts
    [ -s /var/log/smb-sensor/alerts.json ] || fail 'no document is written'

    say 'it survives kill -9'
    before=$(pid)
    kill -9 "$before"
    wait_for is_other "$before"
    wait_for works
    incident || fail 'the incident is lost'
    session
    wait_for connections 2

    say 'it survives a reload, and a rotation of its file'
    before=$(pid)
    mv /var/log/smb-sensor/alerts.json /var/log/smb-sensor/alerts.json.1
    systemctl reload smb-sensor || fail 'no reload'
    [ "$(pid)" = "$before" ] || fail 'the reload was a restart'
    wait_for sh -c 'smb-sensor status --json | grep -A 2 "\"last_reload\"" | grep -q "\"error\": null"'
    wait_for test -e /var/log/smb-sensor/alerts.json

    say 'it survives a reboot'
    touch /root/rebooted
    systemctl reboot
else
    wait_for works
    incident || fail 'the incident is lost'
    serve
    session
    wait_for connections 3
    smb-sensor status
    say 'everything is as it should be'
    systemctl poweroff
fi
