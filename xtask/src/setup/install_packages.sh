# Installs the Debian packages it is given, as root. Starts no service, and leaves those of a package disabled that was
# not there before. Never removes a package to make room for another.
set -eu

export DEBIAN_FRONTEND=noninteractive
guard=/usr/sbin/policy-rc.d
guard_mark='# made by cargo xtask setup, which removes it'
# Packages with the services that come with them.
services='samba:smbd.service samba:nmbd.service samba:samba-ad-dc.service samba:winbind.service rsyslog:rsyslog.service
    nats-server:nats-server.service podman:podman.socket podman:podman.service podman:podman-restart.service
    podman:podman-auto-update.timer podman:podman-auto-update.service'

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

disable_new_services() {
    command -v systemctl >/dev/null || return 0
    for one in $services; do
        package=${one%%:*} service=${one#*:}
        case " $were_there " in *" $package "*) continue ;; esac
        if is_installed "$package" && [ -e "/lib/systemd/system/$service" ]; then
            echo "disabling the service $service, which came with $package"
            systemctl disable --quiet "$service" ||
                echo "could not disable $service; by hand: systemctl disable $service"
        fi
    done
}

were_there=
for one in $services; do
    if is_installed "${one%%:*}"; then were_there="$were_there ${one%%:*}"; fi
done

# Also when interrupted: half an installation must not leave services that start at the next boot.
trap disable_new_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# policy-rc.d is Debian's switch for starting services during installation. One that is there is somebody's wish.
if [ ! -e "$guard" ] || grep -qsxF "$guard_mark" "$guard"; then
    trap 'disable_new_services; rm -f "$guard"' EXIT
    printf '#!/bin/sh\n%s\nexit 101\n' "$guard_mark" >"$guard"
    chmod 755 "$guard"
fi

apt-get update -qq || echo 'apt-get update failed; trying with the package lists that are here'
apt-get install -y -qq --no-install-recommends --no-remove -o Dpkg::Use-Pty=0 "$@"
